using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.Tests.Packaging;
using Microsoft.ML.LoraInit.Tests.Samples;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

/// <summary>docs/own-strategy.md shows code that compiles and runs: that of the sample.</summary>
[TestClass]
public sealed partial class OwnStrategyPageTests
{
    [TestMethod]
    public void ThePagesCodeIsTheSamples()
    {
        var sample = string.Concat(((string[])["LargestRowsInitialization.cs", "OwnStrategySample.cs"])
            .Select(f => Unindented(File.ReadAllText(BuildSettings.Source("src", "Samples", "Tasks", f)))));
        var blocks = Code().Matches(File.ReadAllText(BuildSettings.Source("docs", "own-strategy.md")).ReplaceLineEndings("\n"));

        Assert.IsTrue(blocks.Count >= 3, $"{blocks.Count} blocks of code");
        foreach (Match block in blocks)
            StringAssert.Contains(sample, Unindented(block.Groups[1].Value), $"The sample does not have:\n{block.Groups[1].Value}");
    }

    [TestMethod]
    [TestCategory("Long")]
    public async Task TheSampleInspectsTrainsAndCompares()
    {
        // A process of its own: it registers its strategy.
        var run = await CommandLineRun.ChildProcess("sample", "own-strategy", "--epochs", "1");

        Assert.AreEqual(0, run.ExitCode, string.Join('\n', run.Errors));
        StringAssert.Contains(run.Output, "largest-rows (scale=0.5) on mini");
        StringAssert.Matches(run.Output, new(@"""largest-rows"",""scale"":2\} +accuracy [\d.]+, log loss"));
    }

    private static string Unindented(string code) => string.Join('\n', code.ReplaceLineEndings("\n").Split('\n').Select(l => l.Trim()));

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Code();
}
