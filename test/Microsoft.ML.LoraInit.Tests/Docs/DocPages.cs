using Microsoft.ML.LoraInit.Tests.Packaging;

namespace Microsoft.ML.LoraInit.Tests.Docs;

/// <summary>A block of code or of commands on a page; <paramref name="Line"/> is where its first line stands, from 1.</summary>
internal sealed record DocBlock(string Page, int Line, string Language, string Text);

/// <summary>What users read: the README, the pages of docs, and the pages beside packages and samples; not the generated ones of docs/api.</summary>
internal static class DocPages
{
    private static readonly string Root = BuildSettings.Source();

    /// <summary>Their paths from the root, with slashes.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        .. Directory.GetFiles(Path.Combine(Root, "docs"), "*.md").Concat(Directory.GetFiles(Path.Combine(Root, "docs", "results"), "*.md"))
            .Concat(BesideSources(Path.Combine(Root, "src"))).Append(Path.Combine(Root, "README.md"))
            .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/')).Order(StringComparer.Ordinal),
    ];

    public static string Text(string page) => File.ReadAllText(Path.Combine(Root, page)).ReplaceLineEndings("\n");

    public static IEnumerable<DocBlock> Blocks(string page)
    {
        string? language = null;
        List<string> lines = [];
        foreach (var (line, number) in Text(page).Split('\n').Select((line, i) => (line, i + 1)))
        {
            bool fence = line.StartsWith("```", StringComparison.Ordinal);
            if (fence && language is not null)
                yield return new(page, number - lines.Count, language, string.Join('\n', lines));
            if (fence)
                (language, lines) = (language is null ? line[3..].Trim() : null, []);
            else
                lines.Add(line);
        }
    }

    private static IEnumerable<string> BesideSources(string folder) => Directory.GetFiles(folder, "PACKAGE.md").Concat(Directory.GetFiles(folder, "README.md"))
        .Concat(Directory.GetDirectories(folder).Where(d => Path.GetFileName(d) is not ("bin" or "obj" or "content")).SelectMany(BesideSources));
}
