using System.Text.RegularExpressions;

namespace Microsoft.ML.LoraInit.Tests.Docs;

/// <summary>A command as a page prints it, without its comment; <see cref="Arguments"/> are what follows <c>lorainit</c>.</summary>
internal sealed record DocCommand(string Page, string Text, string? Arguments);

/// <summary>The commands of the pages' blocks.</summary>
internal static partial class DocCommands
{
    /// <summary>Every line of a shell, in order, and in blocks without a language the lines that begin like one.</summary>
    public static IEnumerable<DocCommand> Of(string page) =>
        from block in DocPages.Blocks(page)
        where block.Language is "sh" or ""
        from line in Continued().Replace(block.Text, " ").Split('\n')
        from text in Comment().Replace(line, "").Split(" && ").Select(t => t.Trim())
        where block.Language == "sh" ? text.Length > 0 : Program().IsMatch(text)
        let ours = Ours().Match(text)
        select new DocCommand(page, text, ours.Success ? ours.Groups[1].Value.Trim() : null);

    /// <summary>What follows <c>lorainit</c> where the text names a command, outside of blocks.</summary>
    public static IEnumerable<string> InProse(string page)
    {
        var prose = string.Concat(DocPages.Text(page).Split("\n```").Where((_, i) => i % 2 == 0));
        return Named().Matches(prose).Select(m => m.Groups[1].Value.ReplaceLineEndings(" "));
    }

    /// <summary>As a shell cuts a line: in quotation marks of either kind, blanks and semicolons are part of a word.</summary>
    public static string[] Words(string text) => [.. Word().Matches(text).Select(m => m.Value.Replace("\"", "", StringComparison.Ordinal).Replace("'", "", StringComparison.Ordinal))];

    [GeneratedRegex(@"\\\n\s*")]
    private static partial Regex Continued();

    [GeneratedRegex("`lorainit ([a-z][^`]*)`")]
    private static partial Regex Named();

    [GeneratedRegex(@"(^|\s+)#(\s.*)?$")]
    private static partial Regex Comment();

    [GeneratedRegex("^(lorainit|dotnet|python3?|docker|cd|pip)( |$)")]
    private static partial Regex Program();

    [GeneratedRegex("^(?:lorainit|dotnet run (?:-c Release )?--project src/Samples --)($| .*)")]
    private static partial Regex Ours();

    [GeneratedRegex("""(?:"[^"]*"|'[^']*'|[^\s"'])+""")]
    private static partial Regex Word();
}
