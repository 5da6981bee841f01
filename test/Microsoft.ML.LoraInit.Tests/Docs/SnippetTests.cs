namespace Microsoft.ML.LoraInit.Tests.Docs;

/// <summary>The C# that the pages print compiles, without a warning, against the library of this tree.</summary>
[TestClass]
public sealed class SnippetTests
{
    /// <summary>Blocks that need a package which this solution does without: no more than their syntax is looked at here.</summary>
    private static readonly Dictionary<string, string> NotCompiled = new()
    {
        ["ml.Auto()"] = "Microsoft.ML.AutoML: LoraInit.Gallery.sln",
        ["AddPredictionEnginePool"] = "Microsoft.Extensions.ML: LoraInit.Gallery.sln",
        ["keys"] = "parts of one method: OwnStrategyPageTests holds them to be the sample's, which is built",
    };

    public static IEnumerable<object[]> Blocks =>
        from page in DocPages.All
        from block in DocPages.Blocks(page)
        where block.Language is "csharp"
        select new object[] { page, block.Line };

    [TestMethod]
    [DynamicData(nameof(Blocks))]
    public void ABlockCompiles(string page, int line)
    {
        var block = DocPages.Blocks(page).Single(b => b.Line == line);
        var problems = NotCompiled.Keys.Any(block.Text.Contains) ? SnippetCompiler.SyntaxProblems(block) : SnippetCompiler.Problems(block);
        Assert.IsEmpty(problems, $"\n{string.Join('\n', problems)}");
    }

    [TestMethod]
    [DataRow("README.md")]
    [DataRow("docs/start.md")]
    public void APageThatPromisesAProgramHasOne(string page) =>
        Assert.StartsWith("using Microsoft.ML;\n", DocPages.Blocks(page).Single(b => b.Language == "csharp").Text);

    [TestMethod]
    public void EveryReasonIsStillNeeded()
    {
        foreach (var (mark, reason) in NotCompiled)
            Assert.IsTrue(DocPages.All.SelectMany(DocPages.Blocks).Any(b => b.Language == "csharp" && b.Text.Contains(mark, StringComparison.Ordinal)), $"{mark}: {reason}");
    }

    [TestMethod]
    public void ACompilerThatFindsNothingWouldBeNoTest()
    {
        var wrong = new DocBlock("docs/tasks.md", 7, "csharp", "var x = model.NoSuchThing();");
        Assert.Contains("docs/tasks.md(7,15)", SnippetCompiler.Problems(wrong).Single());
    }
}
