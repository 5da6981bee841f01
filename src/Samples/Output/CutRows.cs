using Microsoft.ML.LoraInit.Glue;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>Counts the rows of which a model does not read all, and says so.</summary>
/// <param name="tokenizer">The model's; null where it is not known.</param>
internal sealed class CutRows(RobertaTextTokenizer? tokenizer)
{
    private long _cut, _rows;

    /// <summary>The row, counted.</summary>
    public TextFileRow Pass(TextFileRow row)
    {
        _rows++;
        if (tokenizer?.IsCut(row.Text, row.Text2) == true)
            _cut++;
        return row;
    }

    public void Report(TextWriter words) => Say(words, _cut, _rows, tokenizer);

    /// <summary>Nothing where no row is cut.</summary>
    public static void Say(TextWriter words, long cut, long rows, RobertaTextTokenizer? tokenizer)
    {
        if (cut == 0)
            return;
        var (what, more) = tokenizer?.LongText.Kind switch
        {
            LongTextKind.HeadAndTail => ("their middle is", ""),
            LongTextKind.Windows => ("what is beyond the last window is", ""),
            _ => ("what is beyond is", " train --long-text head-and-tail or windows:STRIDE reads more."),
        };
        words.WriteLine($"{cut} of {rows} rows {(cut == 1 ? "is" : "are")} longer than {tokenizer?.MaxLength} tokens: {what} not read.{more}");
    }
}
