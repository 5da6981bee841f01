using System.Diagnostics;
using System.Reflection;
using SentimentSample;

namespace Microsoft.ML.LoraInit.Tests.Hosts;

[TestClass]
[DoNotParallelize]
public class SampleProgramTests
{
    /// <summary>The generated-looking code as an application calls it: trained on its data, then used.</summary>
    [TestMethod]
    public void TheModelBuilderProjectTrainsAndPredicts()
    {
        var model = Path.Combine(AppContext.BaseDirectory, "SentimentModel.mlnet");
        SentimentModel.Train(model, Path.Combine(AppContext.BaseDirectory, SentimentModel.RetrainFilePath));

        CollectionAssert.AreEquivalent((string[])["Negative", "Positive"], SentimentModel.GetLabels().ToArray());
        foreach (var (text, expected) in (ReadOnlySpan<(string, string)>)[("We had a wonderful day, thank you!", "Positive"), ("A terrible day, everything was broken.", "Negative")])
        {
            var input = new SentimentModel.ModelInput { Text = text };
            Assert.AreEqual(expected, SentimentModel.Predict(input).PredictedLabel, text);
            var all = SentimentModel.PredictAllLabels(input).ToArray();
            Assert.AreEqual(expected, all[0].Key);
            Assert.AreEqual(1.0, all.Sum(c => (double)c.Value), 1e-5);
        }
    }

    /// <summary>Without a network ML.NET's own trainer is explained and left out.</summary>
    [TestMethod]
    public async Task SideBySideRunsWithoutANetwork()
    {
        var output = await RunSideBySide();

        StringAssert.Contains(output, "ML.NET's TextClassification is left out");
        StringAssert.Contains(output, "downloads");
    }

    /// <summary>A file that is no model stands for whatever makes ML.NET's own trainer fail.</summary>
    [TestMethod]
    public async Task SideBySideExplainsWhyTheOtherTrainerFails()
    {
        var output = await RunSideBySide(temporary =>
        {
            Directory.CreateDirectory(Path.Combine(temporary, "mlnet"));
            File.WriteAllText(Path.Combine(temporary, "mlnet", "NasBert2000000.tsm"), "no model");
        });

        StringAssert.Matches(output, new System.Text.RegularExpressions.Regex("TextClassification failed with \".+\"; TorchSharp 0\\.107\\.0 is loaded\\."));
    }

    private static async Task<string> RunSideBySide(Action<string>? prepare = null)
    {
        var program = typeof(SampleProgramTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "SideBySide").Value!;
        var start = new ProcessStartInfo("dotnet", ["exec", program, "--epochs", "1"]) { RedirectStandardOutput = true };
        start.Environment["HTTPS_PROXY"] = "http://127.0.0.1:9"; // Nothing listens there.
        using var temporary = new TemporaryFolder(); // No model from an earlier run.
        prepare?.Invoke(temporary.Path);
        start.Environment["TMPDIR"] = start.Environment["TEMP"] = start.Environment["TMP"] = temporary.Path;
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();

        Assert.AreEqual(0, process.ExitCode, output);
        StringAssert.Contains(output, "is written for TorchSharp 0.102.7 and fails from 0.104 on");
        StringAssert.Matches(output, new System.Text.RegularExpressions.Regex("LoraTextClassification .* MB"));
        return output;
    }
}
