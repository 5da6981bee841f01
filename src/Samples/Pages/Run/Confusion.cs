using System.Globalization;
using System.Text;

namespace Microsoft.ML.LoraInit.Samples.Pages.Run;

/// <summary>True against predicted classes: numbers for few classes, squares for many, and the pairs most often taken for one another.</summary>
internal static class Confusion
{
    /// <summary>More classes than this are squares without names.</summary>
    private const int MostNamed = 12;

    private const int MostPairs = 12;

    public static void Write(StringBuilder body, IReadOnlyList<string> classes, IReadOnlyList<JudgedRow> rows)
    {
        var counts = new int[classes.Count, classes.Count];
        foreach (var row in rows)
            counts[(int)row.ActualValue, (int)row.PredictedValue]++;
        body.Append("<h2>What is taken for what</h2>\n<p class=\"note\">A row a true class, a column a predicted one; the stronger the colour, the larger the share of the true class.</p>\n");
        if (classes.Count <= MostNamed)
            Numbers(body, classes, counts);
        else
            Squares(body, classes, counts);
        if (classes.Count > 2)
            Pairs(body, classes, counts);
    }

    private static void Numbers(StringBuilder body, IReadOnlyList<string> classes, int[,] counts)
    {
        body.Append("<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">true \\ predicted</th>");
        foreach (var name in classes)
            body.Append($"<th scope=\"col\" class=\"heat\">{Page.Encode(name)}</th>");
        body.Append("</tr></thead>\n<tbody>\n");
        for (int i = 0; i < classes.Count; i++)
        {
            body.Append($"<tr><th scope=\"row\">{Page.Encode(classes[i])}</th>");
            for (int j = 0; j < classes.Count; j++)
                body.Append(CultureInfo.InvariantCulture, $"<td class=\"heat{(i == j ? " own" : "")}\" style=\"--v:{0.75 * Share(counts, i, j):0.###}\">{counts[i, j]}</td>");
            body.Append("</tr>\n");
        }
        body.Append("</tbody></table></div>\n");
    }

    private static void Squares(StringBuilder body, IReadOnlyList<string> classes, int[,] counts)
    {
        body.Append($"<div class=\"grid\" role=\"img\" aria-label=\"True against predicted classes; the pairs most often confused are listed below\" style=\"--n:{classes.Count}\">");
        for (int i = 0; i < classes.Count; i++)
            for (int j = 0; j < classes.Count; j++)
                if (counts[i, j] > 0)
                    body.Append(CultureInfo.InvariantCulture, $"<i{(i == j ? "" : " class=\"off\"")} style=\"grid-area:{i + 1}/{j + 1};--v:{0.25 + (0.75 * Share(counts, i, j)):0.###}\" title=\"{Page.Encode(classes[i])} → {Page.Encode(classes[j])}: {counts[i, j]}\"></i>");
        body.Append($"</div>\n<div class=\"axes\"><span>{Page.Encode(classes[0])}</span><span>{Page.Encode(classes[^1])}</span></div>\n");
    }

    private static void Pairs(StringBuilder body, IReadOnlyList<string> classes, int[,] counts)
    {
        var pairs = (from i in Enumerable.Range(0, classes.Count)
                     from j in Enumerable.Range(0, classes.Count)
                     where i != j && counts[i, j] > 0
                     orderby counts[i, j] descending
                     select (i, j)).Take(MostPairs).ToArray();
        if (pairs.Length == 0)
            return;
        body.Append("<h3 style=\"margin-top:1rem\">Most often confused</h3>\n<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">true</th><th scope=\"col\" class=\"text\">taken for</th><th scope=\"col\">rows</th><th scope=\"col\">of the class</th></tr></thead>\n<tbody>\n");
        foreach (var (i, j) in pairs)
            body.Append(CultureInfo.InvariantCulture, $"<tr><th scope=\"row\">{Page.Encode(classes[i])}</th><td class=\"text\">{Page.Encode(classes[j])}</td><td>{counts[i, j]}</td><td>{Share(counts, i, j):0 %}</td></tr>\n");
        body.Append("</tbody></table></div>\n");
    }

    private static double Share(int[,] counts, int row, int column)
    {
        int total = Enumerable.Range(0, counts.GetLength(1)).Sum(j => counts[row, j]);
        return total == 0 ? 0 : (double)counts[row, column] / total;
    }
}
