using System.Globalization;
using System.Net;
using System.Text;

namespace Microsoft.ML.LoraInit.Interactive;

/// <summary>A text for each of its scores, its words coloured: blue for what raised the score, orange for what lowered it.</summary>
internal static class ExplanationHtml
{
    private const string Raised = "47,134,207", Lowered = "214,137,16";

    public static string Write(TextExplanation explanation)
    {
        var words = explanation.ByWord();
        var html = new StringBuilder();
        // The highest score first.
        foreach (int output in Enumerable.Range(0, explanation.Outputs.Count).OrderByDescending(o => explanation.Scores[o]))
        {
            double most = Math.Max(words.Select(w => Math.Abs(w.Attributions[output])).DefaultIfEmpty(0).Max(), 1e-9);
            html.Append(CultureInfo.InvariantCulture, $"<p><b>{WebUtility.HtmlEncode(explanation.Outputs[output])}</b> {explanation.Scores[output]:0.00}: ");
            html.AppendJoin(' ', words.Where(w => w.Length > 0).Select(w => Word(w, w.Attributions[output], most)));
            html.Append("</p>");
        }
        return html.ToString();
    }

    private static string Word(TokenAttribution word, double attribution, double most) => string.Create(CultureInfo.InvariantCulture,
        $"<span style=\"background:rgba({(attribution > 0 ? Raised : Lowered)},{0.6 * Math.Abs(attribution) / most:0.00})\" title=\"{attribution:+0.00;-0.00}\">{WebUtility.HtmlEncode(word.Text)}</span>");
}
