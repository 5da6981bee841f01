using Microsoft.ML.LoraInit.Samples;

namespace Microsoft.ML.LoraInit.Tests.Samples;

[TestClass]
public sealed class CommandLineTests
{
    [TestMethod]
    [DataRow("train", "--train", DisplayName = "train without arguments")]
    [DataRow("train --train x --model m --task cola --kind binary", "--task")]
    [DataRow("train --train x --model m --task cola --text-column 2", "--task")]
    [DataRow("train --train x --model m --task glue", "glue")]
    [DataRow("train --train x --model m", "--kind")]
    [DataRow("train --train x --model m --kind several", "several")]
    [DataRow("train --train x --model m --kind binary --label-delimiter ;", "--label-delimiter")]
    [DataRow("train --train x --model m --task cola --label-delimiter ;", "--label-delimiter")]
    [DataRow("train --train x --model m --kind multilabel --label-delimiter ||", "'||'")]
    [DataRow("train --train x --model m --kind multilabel --label-delimiter x", "'x'")]
    [DataRow("train --train x --model m --task cola --epochs many", "many")]
    [DataRow("train --train x --model m --task cola --precision fp64", "fp64")]
    [DataRow("train --train x --model m --task cola --quantize-base int8", "int8")]
    [DataRow("train --train x --model m --task cola --gradient-preconditioning shampoo", "shampoo")]
    [DataRow("train --train x --model m --task cola --lora-plus-ratio much", "much")]
    [DataRow("train --train x --model m --task cola --device tpu", "tpu")]
    [DataRow("train --train x --model m --task cola --device cuda:x", "cuda:x")]
    [DataRow("train --train x --model m --task cola --threads 0", "--threads")]
    [DataRow("train --train x --model m --task cola --device cuda:4096", "--device")]
    [DataRow("train --train /nowhere/x.tsv --model m --task cola", "/nowhere/x.tsv")]
    [DataRow("train --train x --model /nowhere/at/all/m --task cola", "/nowhere/at/all")]
    [DataRow("train --train x --model m --json /nowhere/at/all/j --task cola", "--json")]
    [DataRow("evaluate --model /nowhere/m.mlnet --data x", "/nowhere/m.mlnet")]
    [DataRow("predict --model m", "--text")]
    [DataRow("predict --model m --text a --input b --output c", "--text")]
    [DataRow("predict --model m --input b", "--output")]
    [DataRow("predict --model m --input b --output c --text2 d", "--text2")]
    [DataRow("fly", "fly")]
    public async Task BadArgumentsEndWithTwoAndOneLine(string arguments, string named)
    {
        var run = await CommandLineRun.InProcess(arguments.Split(' '));
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        Assert.AreEqual(1, run.Errors.Count, string.Join('\n', run.Errors));
        StringAssert.StartsWith(run.Errors[0], "lorainit: ");
        StringAssert.Contains(run.Errors[0], named);
    }

    [TestMethod]
    [DataRow("", "train evaluate predict adapter --model")]
    [DataRow("adapter", "export import merge info")]
    [DataRow("adapter import", "--adapter --base-model --kind --labels --pair --model")]
    [DataRow("adapter export", "--model --out --rank")]
    [DataRow("train", "--train --validation --task --text-column --text2-column --label-column --kind multilabel --label-delimiter --base-model --init --rank --alpha --epochs --batch-size --learning-rate --seed --model --json --dropout --rslora --dora --target-modules --method --warmup --weight-decay --schedule --max-length --precision --lora-plus-ratio --gradient-preconditioning --quantize-base --device --checkpoint-dir --threads")]
    [DataRow("evaluate", "--model --data --task --text-column --label-column --json")]
    [DataRow("predict", "--model --text --text2 --input --output")]
    public async Task HelpIsComplete(string command, string expected)
    {
        var run = await CommandLineRun.InProcess([.. command.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--help"]);
        Assert.AreEqual(ExitCodes.Success, run.ExitCode);
        Assert.AreEqual(0, run.Errors.Count);
        foreach (var option in expected.Split(' '))
            StringAssert.Contains(run.Output, option);
    }

    [TestMethod]
    public async Task AFileThatIsNotAModelIsBadInput()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "model.mlnet");
        File.WriteAllText(path, "not a model");
        var run = await CommandLineRun.InProcess("predict", "--model", path, "--text", "hello");
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        Assert.AreEqual(1, run.Errors.Count);
        StringAssert.Contains(run.Errors[0], path);
    }

    [TestMethod]
    public async Task VerboseShowsWhereAnErrorCameFrom()
    {
        var run = await CommandLineRun.InProcess("predict", "--model", "/nowhere/m.mlnet", "--text", "hello", "--verbose");
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        Assert.IsTrue(run.Errors.Count > 1 && run.Errors.Any(line => line.Contains("   at ", StringComparison.Ordinal)));
    }

    [TestMethod]
    public async Task TheProcessReportsItsErrorAndCode()
    {
        var run = await CommandLineRun.ChildProcess("predict", "--model", "/nowhere/m.mlnet", "--text", "hello");
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        Assert.AreEqual(1, run.Errors.Count);
        StringAssert.Contains(run.Errors[0], "/nowhere/m.mlnet");
    }
}
