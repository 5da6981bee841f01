using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Microsoft.ML.LoraInit.Tests.Docs;

/// <summary>
/// Compiles what a page prints, as the program that its reader has by then. A block that begins with <c>using Microsoft.ML;</c> is the whole of
/// Program.cs; any other stands after that line and those of the page's <see cref="SnippetNames"/>, whose names its own may hide.
/// </summary>
internal static class SnippetCompiler
{
    // What `dotnet new console` adds, and for a web program beyond it.
    private static readonly string[] Implicit =
        ["System", "System.Collections.Generic", "System.IO", "System.Linq", "System.Net.Http", "System.Threading", "System.Threading.Tasks"];

    private static readonly string[] ImplicitWeb =
    [
        "System.Net.Http.Json", "Microsoft.AspNetCore.Builder", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Http", "Microsoft.AspNetCore.Routing",
        "Microsoft.Extensions.Configuration", "Microsoft.Extensions.DependencyInjection", "Microsoft.Extensions.Hosting", "Microsoft.Extensions.Logging",
    ];

    private static readonly string[] Ours = ["Microsoft.ML", "Microsoft.ML.Data", "Microsoft.ML.LoraInit"];

    // As a project has it: assemblies of an older .NET are taken for those of this one.
    private static readonly Dictionary<string, ReportDiagnostic> Quiet = new() { ["CS1701"] = ReportDiagnostic.Suppress, ["CS1702"] = ReportDiagnostic.Suppress };

    private static readonly MetadataReference[] Platform =
        [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(p => MetadataReference.CreateFromFile(p))];

    /// <summary>What is wrong with a block: the compiler's errors and warnings, by the page's lines.</summary>
    public static IReadOnlyList<string> Problems(DocBlock block)
    {
        var whole = block.Text.StartsWith("using Microsoft.ML;\n", StringComparison.Ordinal);
        var code = block.Text.Replace("= …;", "= null!;", StringComparison.Ordinal); // "however you come by it"
        var compilation = IsNotebookCell(code) ? Script(block, code) : Program(block, code, whole);
        return [.. compilation.GetDiagnostics().Where(d => d.Severity is DiagnosticSeverity.Error or DiagnosticSeverity.Warning).Select(d => d.ToString())];
    }

    /// <summary>What is no C# at all, whatever the names in it mean.</summary>
    public static IReadOnlyList<string> SyntaxProblems(DocBlock block) => [.. Parse(block, block.Text).GetDiagnostics().Select(d => d.ToString())];

    private static CSharpCompilation Program(DocBlock block, string code, bool whole)
    {
        var tree = Parse(block, code);
        var statements = tree.GetCompilationUnitRoot().Members.OfType<GlobalStatementSyntax>().Any();
        var given = whole ? "" : string.Concat(Ours.Select(n => $"global using {n};")) + SnippetNames.Of(block.Page);
        var usings = string.Concat(Implicit.Concat(block.Page.Contains("osting", StringComparison.Ordinal) ? ImplicitWeb : []).Select(n => $"global using global::{n};"));
        return CSharpCompilation.Create("snippet", [CSharpSyntaxTree.ParseText(usings + given), tree], Platform,
            new(statements ? OutputKind.ConsoleApplication : OutputKind.DynamicallyLinkedLibrary, nullableContextOptions: NullableContextOptions.Enable,
                specificDiagnosticOptions: Quiet));
    }

    // A cell of .NET Interactive: its packages are those that this assembly references, and its last line may be a value.
    private static bool IsNotebookCell(string code) => code.StartsWith("#r ", StringComparison.Ordinal);

    private static CSharpCompilation Script(DocBlock block, string code)
    {
        var cell = SnippetNames.CellOf(block.Page) + string.Join('\n', code.Split('\n').Where(l => !l.StartsWith("#r ", StringComparison.Ordinal)));
        return CSharpCompilation.CreateScriptCompilation("cell", CSharpSyntaxTree.ParseText(cell, new(kind: SourceCodeKind.Script), path: block.Page), Platform,
            new(OutputKind.DynamicallyLinkedLibrary, usings: [.. Implicit, .. Ours]));
    }

    // Problems are told by the page's own lines.
    private static CSharpSyntaxTree Parse(DocBlock block, string code) => (CSharpSyntaxTree)CSharpSyntaxTree.ParseText(new string('\n', block.Line - 1) + code, path: block.Page);
}
