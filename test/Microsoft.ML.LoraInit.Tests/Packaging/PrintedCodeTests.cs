using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Microsoft.ML.LoraInit.Tests.Packaging;

/// <summary>Programs that the documents print compile as they stand, in a console project as <c>dotnet new console</c> makes it.</summary>
[TestClass]
public sealed class PrintedCodeTests
{
    private const string ImplicitUsings = """
        global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq;
        global using System.Net.Http; global using System.Threading; global using System.Threading.Tasks;
        """;

    [TestMethod]
    [DataRow("README.md")]
    [DataRow("docs/start.md")]
    public void AWholeProgramCompiles(string document)
    {
        var text = File.ReadAllText(BuildSettings.Source(document.Split('/'))).ReplaceLineEndings("\n");
        var blocks = text.Split("```csharp\n").Skip(1).Select(b => b[..b.IndexOf("```", StringComparison.Ordinal)]).ToArray();
        Assert.AreEqual(1, blocks.Length, "One program a document.");
        var platform = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(p => MetadataReference.CreateFromFile(p));
        var compilation = CSharpCompilation.Create("printed", [CSharpSyntaxTree.ParseText(ImplicitUsings), CSharpSyntaxTree.ParseText(blocks[0])], platform,
            new(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable));
        var problems = compilation.GetDiagnostics().Where(d => d.Severity is DiagnosticSeverity.Error or DiagnosticSeverity.Warning).ToArray();
        Assert.AreEqual(0, problems.Length, string.Join('\n', problems.Take(5)));
    }
}
