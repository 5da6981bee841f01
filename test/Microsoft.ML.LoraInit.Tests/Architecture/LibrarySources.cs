using System.Reflection.PortableExecutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.ML.LoraInit.Tests.Packaging;

namespace Microsoft.ML.LoraInit.Tests.Architecture;

/// <summary>The library's source files, and a compilation of them to ask what a name means.</summary>
internal static partial class LibrarySources
{
    public const string Namespace = "Microsoft.ML.LoraInit";

    /// <summary>What users' builds compile, not the library.</summary>
    private const string Packaging = "Packaging";

    private const string GlobalUsings =
        "global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq; "
        + "global using System.Net.Http; global using System.Threading; global using System.Threading.Tasks;";

    private static readonly Lazy<MetadataReference[]> References = new(FindReferences);

    public static string Root { get; } = BuildSettings.Source("src", Namespace);

    /// <summary>Paths of the source files below <see cref="Root"/>, with slashes.</summary>
    public static IReadOnlyList<string> Files { get; } =
        [.. Directory.EnumerateFiles(Root, "*.cs", SearchOption.AllDirectories)
            .Select(f => Path.GetRelativePath(Root, f).Replace('\\', '/'))
            .Where(f => f.Split('/')[0] is not ("obj" or "bin" or Packaging))];

    /// <summary>The folders with sources, by name; a file outside of them counts as one.</summary>
    public static IReadOnlyList<string> Folders { get; } = [.. Files.Select(f => f.Split('/')[0]).Distinct().Order(StringComparer.Ordinal)];

    private static Lazy<CSharpCompilation> Whole { get; } = new(() => Compile(Files.Select(f => (f, File.ReadAllText(Path.Combine(Root, f))))));

    /// <summary>The library's own.</summary>
    public static CSharpCompilation Library => Whole.Value;

    // Most of the time goes into what names within methods mean, which a model of a file finds out once.
    private static readonly ConditionalWeakTable<SyntaxTree, SemanticModel> Meanings = [];

    /// <summary>What names mean in a file, the same for all who ask.</summary>
    public static SemanticModel Meaning(CSharpCompilation compilation, SyntaxTree tree) => Meanings.GetValue(tree, t => compilation.GetSemanticModel(t));

    /// <summary>All sources below a folder of src as one compilation, enough to ask what names mean: against all that this process has beside it.</summary>
    public static CSharpCompilation CompileFolder(string folder)
    {
        var root = BuildSettings.Source("src", folder);
        var files = Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories).Where(f => !Outputs().IsMatch(f));
        return Compile(files.Select(f => (f, File.ReadAllText(f)))).AddReferences(
            Directory.GetFiles(AppContext.BaseDirectory, "*.dll").Where(f => !IsReferenced(f) && IsManaged(f)).Select(f => MetadataReference.CreateFromFile(f)));
    }

    /// <summary>Compiles texts by their paths against what this process runs with; of ML.NET, against the copies that the library's build uses.</summary>
    public static CSharpCompilation Compile(IEnumerable<(string Path, string Text)> sources)
    {
        var options = new CSharpParseOptions(LanguageVersion.Latest, DocumentationMode.None);
        var trees = sources.Append((Path: "usings.cs", Text: GlobalUsings)).AsParallel().AsOrdered()
            .Select(s => CSharpSyntaxTree.ParseText(s.Text, options, s.Path)).ToArray();
        // Whether null may be somewhere changes no reference, and takes most of the time to find out.
        return CSharpCompilation.Create(
            Namespace, trees, References.Value, new(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true, nullableContextOptions: NullableContextOptions.Disable));
    }

    private static MetadataReference[] FindReferences()
    {
        var publicized = Directory.GetFiles(BuildSettings.Get("PublicizedReferences"), "*.dll");
        var replaced = publicized.Select(Path.GetFileName).ToHashSet();
        return [.. Directory.GetFiles(RuntimeEnvironment.GetRuntimeDirectory(), "*.dll")
            .Concat(Directory.GetFiles(AppContext.BaseDirectory, "*.dll").Where(IsReferenced))
            .Where(f => IsManaged(f) && !replaced.Contains(Path.GetFileName(f)))
            .Concat(publicized)
            .Select(f => MetadataReference.CreateFromFile(f))];
    }

    private static bool IsReferenced(string path)
    {
        var name = Path.GetFileName(path);
        return name is "TorchSharp.dll" || (name.StartsWith("Microsoft.ML.", StringComparison.Ordinal) && !name.StartsWith(Namespace, StringComparison.Ordinal));
    }

    private static bool IsManaged(string path)
    {
        using var reader = new PEReader(File.OpenRead(path));
        return reader.HasMetadata;
    }

    [GeneratedRegex(@"[\\/](obj|bin)[\\/]")]
    private static partial Regex Outputs();
}
