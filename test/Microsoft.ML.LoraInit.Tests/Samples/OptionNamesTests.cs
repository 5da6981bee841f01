using Microsoft.ML.LoraInit.Samples;
using Microsoft.ML.LoraInit.Samples.Commands.Options;

namespace Microsoft.ML.LoraInit.Tests.Samples;

/// <summary>Messages speak of options as they are typed, and of what was probably meant.</summary>
[TestClass]
public sealed class OptionNamesTests
{
    [TestMethod]
    [DataRow("Rank = 0 is out of range: use a rank of at least 1.", "--rank 0 is out of range: use a rank of at least 1.")]
    [DataRow("InitialLearningRate = -1 is out of range: use a finite number above 0.", "--learning-rate -1 is out of range: use a finite number above 0.")]
    [DataRow("EarlyStoppingPatience = 2 needs rows to validate on: set ValidationData or ValidationFraction.", "--early-stopping 2 needs rows to validate on: set --validation or --validation-fraction.")]
    [DataRow("BaseQuantization = Nf4 does not go with 'full'. Choose another method, or BaseQuantization.None.", "--quantize-base nf4 does not go with 'full'. Choose another method, or --quantize-base none.")]
    [DataRow("Rank and order of Method are words.", "Rank and order of Method are words.")]
    [DataRow("Options.Device is cuda:3", "--device is cuda:3")]
    [DataRow("MaxLength = 2 is out of range: use at least 6 tokens, or null for the model's maximum.", "--max-length 2 is out of range: use at least 6 tokens, or leave it out for the model's maximum.")]
    public void LibrarysNamesBecomeTyped(string message, string expected) => Assert.AreEqual(expected, OptionNames.Translate(message));

    [TestMethod]
    [DataRow("train --train x --model m --task cola --lerning-rate 1", "Did you mean '--learning-rate'?")]
    [DataRow("train --train x --model m --task cla", "Did you mean 'cola'?")]
    [DataRow("train --train x --model m --task cola --init pisa", "Did you mean 'pissa'?")]
    [DataRow("train --train x --model m --task cola --quantize-base nf3", "Did you mean 'nf4'?")]
    [DataRow("sample sentimnt", "Did you mean 'sentiment'?")]
    [DataRow("trian", "Did you mean 'train'?")]
    public async Task WhatIsNearIsAskedFor(string arguments, string question)
    {
        var run = await CommandLineRun.InProcess(arguments.Split(' '));
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), question);
    }

    [TestMethod]
    public async Task WhatIsFarIsNot() =>
        Assert.IsFalse((await CommandLineRun.InProcess("train", "--train", "x", "--model", "m", "--task", "cola", "--xyzzy", "1")).Errors.Single().Contains("Did you mean", StringComparison.Ordinal));
}
