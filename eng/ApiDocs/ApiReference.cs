using System.Reflection;
using System.Text;
using Microsoft.ML.LoraInit.Hosting;
using Microsoft.ML.LoraInit.Interactive;

namespace Microsoft.ML.LoraInit.ApiDocs;

/// <summary>The public types of the packages as Markdown: an index, and one page a type. Former names, which are obsolete, have none.</summary>
internal sealed class ApiReference
{
    public const string IndexName = "README.md";

    private readonly Comments _comments;

    private ApiReference(IReadOnlyList<Type> types, Comments comments)
    {
        Types = types;
        _comments = comments;
    }

    /// <summary>Every public type, nested ones included, in the order of the index.</summary>
    public IReadOnlyList<Type> Types { get; }

    /// <summary>Of the assemblies that are packed as libraries.</summary>
    public static ApiReference Create()
    {
        Assembly[] assemblies = [typeof(LoraTrainerOptions).Assembly, typeof(GlueTask).Assembly, Assembly.Load("Microsoft.ML.LoraInit.Data.RobertaMini"), typeof(OnnxTextTransformer).Assembly, typeof(LoraTextTelemetry).Assembly, typeof(LoraFormatters).Assembly];
        var types = assemblies.SelectMany(a => a.GetExportedTypes()).Where(t => !TypePage.IsFormer(t)).OrderBy(t => t.Namespace, StringComparer.Ordinal).ThenBy(Signatures.Name, StringComparer.Ordinal);
        return new([.. types], Comments.Of(assemblies));
    }

    /// <summary>The file of a type's page.</summary>
    public static string FileName(Type type) => $"{type.FullName!.Replace('+', '.').Replace('`', '-')}.md";

    /// <summary>All files by name.</summary>
    public IReadOnlyDictionary<string, string> Pages()
    {
        var links = new Links(Types);
        var pages = new SortedDictionary<string, string>(StringComparer.Ordinal) { [IndexName] = Index(links) };
        foreach (var type in Types)
            pages.Add(FileName(type), new TypePage(type, _comments, links).Text());
        return pages;
    }

    /// <summary>Writes all files and removes pages of types that are gone.</summary>
    public void Write(string folder)
    {
        var pages = Pages();
        Directory.CreateDirectory(folder);
        foreach (var file in Directory.GetFiles(folder, "*.md").Where(f => !pages.ContainsKey(Path.GetFileName(f))))
            File.Delete(file);
        foreach (var (name, text) in pages)
            File.WriteAllText(Path.Combine(folder, name), text);
    }

    private string Index(Links links)
    {
        var text = new StringBuilder("# API reference\n\nEvery public type. `dotnet run --project eng/ApiDocs` writes these pages from the comments in the code.\n");
        foreach (var space in Types.GroupBy(t => t.Namespace))
        {
            text.Append($"\n## {space.Key}\n\n| type | |\n|---|---|\n");
            foreach (var type in space)
                text.Append($"| [{MarkdownText.Escape(Signatures.Name(type))}]({FileName(type)}) | {MarkdownText.Line(_comments.Of(type)?.Element("summary"), links)} |\n");
        }
        return text.ToString();
    }
}
