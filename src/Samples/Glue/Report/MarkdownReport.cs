using System.Text;

namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>The report for a repository page.</summary>
internal static class MarkdownReport
{
    public static string Write(ReportModel model)
    {
        var text = new StringBuilder();
        text.Append("# GLUE with LoRA initialisations\n\n").Append(Summary.Line(model)).Append("\n\n");
        foreach (var section in model.Sections)
        {
            text.Append($"## Base model `{section.BaseModel}`\n\n");
            foreach (var table in SectionTables.Of(section))
                Append(text, table);
        }
        if (model.Failed.Count > 0)
            Append(text, Summary.Failures(model));
        Append(text, Summary.Environments(model));
        text.Append("## Command\n\n```\n").AppendJoin('\n', model.Commands).Append("\n```\n");
        return text.ToString();
    }

    private static void Append(StringBuilder text, ReportTable table)
    {
        text.Append($"### {table.Title}\n\n{table.Note}\n\n");
        text.Append("| ").AppendJoin(" | ", table.Headers.Select(Cell)).Append(" |\n|").Append(string.Concat(Enumerable.Repeat("---|", table.Headers.Count))).Append('\n');
        foreach (var row in table.Rows)
            text.Append("| ").AppendJoin(" | ", row.Select(Cell)).Append(" |\n");
        text.Append('\n');
    }

    private static string Cell(TableCell cell)
    {
        var main = cell.Mark == CellMark.Best ? $"**{Escaped(cell.Text)}**" : Escaped(cell.Text);
        return cell.Detail is null ? main : $"{main} <sub>{Escaped(cell.Detail)}</sub>";
    }

    private static string Escaped(string text) =>
        text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace("|", "\\|", StringComparison.Ordinal).ReplaceLineEndings(" ");
}
