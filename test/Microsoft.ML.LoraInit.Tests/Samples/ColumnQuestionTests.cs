using Microsoft.ML.LoraInit.Samples;

namespace Microsoft.ML.LoraInit.Tests.Samples;

/// <summary>Files and options of somebody who does not know them yet: what is asked, and what is said of rows that look wrong.</summary>
[TestClass]
public sealed class ColumnQuestionTests
{
    [TestMethod]
    [DataRow("rows.csv", "Hello there,greeting\n", "", "which column is the text? The first line has 'Hello there', 'greeting'. Name it with --text-column", "--no-header")]
    [DataRow("rows.txt", "text,label\na,x\n", "", "by its ending: --format csv", null)]
    [DataRow("rows.csv", "text,label\na,x\n", "--delimiter ;", "Is --delimiter", null)]
    [DataRow("rows.txt", "{\"text\":\"a\"}\n", "", "--format jsonl", null)]
    [DataRow("rows.jsonl", "{\"text\":\"a\"}\n", "", "which column is the label? The first object has 'text'", null)]
    [DataRow("rows.csv", "text,label\na,x\n", "--text-column txt", "--text-column: there is no column 'txt'. Did you mean 'text'?", null)]
    [DataRow("rows.csv", "text,label\na,x\n", "--text-column label --label-column 2", "--text-column and --label-column are both", null)]
    [DataRow("rows.csv", "text,text,label\na,b,x\n", "", "'text' 2 times", "by its number")]
    [DataRow("rows.csv", "text,label\na,x\nb,x\n", "", "every row of", "'x'")]
    public async Task WhatIsMissingIsAskedForInTheOptionsWords(string name, string content, string options, string asked, string? alsoAsked)
    {
        var run = await Train(name, content, options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), asked);
        StringAssert.Contains(run.Errors.Single(), alsoAsked ?? "");
    }

    [TestMethod]
    public async Task WhatLooksLikeAMistakeIsSaid()
    {
        var run = await Train("rows.csv", "text,label\na,Yes\n,yes\nb,no\nc,no\n", "--epochs", "1", "--max-length", "16");
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        CollectionAssert.Contains(run.Errors.ToArray(), "lorainit: 1 training row of 4 has an empty text.");
        CollectionAssert.Contains(run.Errors.ToArray(), "lorainit: 'Yes' and 'yes' are 2 classes; if they mean one, write them alike.");
    }

    [TestMethod]
    [DataRow("--rank")]
    [DataRow("--rank 4 --rank 8")]
    public async Task AnOptionIsNotSuggestedInItsOwnPlace(string rank)
    {
        var run = await CommandLineRun.InProcess(["train", "--train", "x", "--model", "m", "--task", "cola", .. rank.Split(' ')]);
        Assert.IsFalse(run.Errors.Single().Contains("Did you mean", StringComparison.Ordinal), run.Errors.Single());
    }

    [TestMethod]
    [DataRow("--init pisa", "'pissa'? See")]
    [DataRow("--long-text no", "most=8. See")]
    public async Task AMessageEndsOnce(string options, string end)
    {
        var run = await CommandLineRun.InProcess(["train", "--train", "x", "--model", "m", "--task", "cola", .. options.Split(' ')]);
        StringAssert.Contains(run.Errors.Single(), end);
        Assert.AreEqual(run.Errors.Single().IndexOf("Did you mean", StringComparison.Ordinal), run.Errors.Single().LastIndexOf("Did you mean", StringComparison.Ordinal));
    }

    [TestMethod]
    [DataRow("train --kind multiclass --train rows.csv --model rows.csv", "--train and --model are both rows.csv")]
    [DataRow("train --kind multiclass --train rows.csv --model m --json m", " are both m:")]
    [DataRow("predict --model m --input ./rows.csv --output rows.csv", "--input and --output are both")]
    [DataRow("evaluate --model m --data rows.csv --html m", "--model and --html are both")]
    public async Task NothingIsWrittenOverWhatIsRead(string line, string refused)
    {
        var run = await CommandLineRun.InProcess(line.Split(' '));
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), refused);
    }

    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)] // links need rights there
    public async Task ALinkToWhatIsReadIsNotWrittenTo()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("rows.csv"), "text\na\n");
        File.CreateSymbolicLink(folder.File("out.csv"), "rows.csv");
        var run = await CommandLineRun.InProcess("predict", "--model", "m", "--input", folder.File("rows.csv"), "--output", folder.File("out.csv"));
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), "--input and --output are both");
    }

    [TestMethod]
    [DataRow("train --train x --model m --kind multiclass --rank 4 --rank 8", "--rank is given 2 times")]
    [DataRow("train --train x --model m --rank", "--rank needs a value")]
    [DataRow("train --train x --model m --task cla", "--task: 'cla' is none of cola, ")]
    [DataRow("train --train x --model m --task cola --method sorra", "Did you mean 'sora'?")]
    [DataRow("inspect --against pisa", "--against: There is no initialisation 'pisa'")]
    [DataRow("inspect --init eva", "give --train,")]
    [DataRow("glue --data-dir x --out y --inits pisa", "Did you mean 'pissa'?")]
    [DataRow("glue --data-dir x --out y --inits hrp:steps=0", "--inits: The setting 'steps' of the initialisation 'hrp' is 0; it must be at least 1.")]
    [DataRow("glue --data-dir x --out y --warmup 2", "--warmup is a share")]
    [DataRow("glue --data-dir x --out y --seeds a", "--seeds: 'a' is not a whole number.")]
    public async Task AWrongOptionIsNamedAsItIsTyped(string line, string message)
    {
        var run = await CommandLineRun.InProcess(line.Split(' '));
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), message);
    }

    [TestMethod]
    public async Task ACommaIsNoDecimalPoint()
    {
        var run = await CommandLineRun.InProcess("predict", "--model", "m", "--text", "a", "--not-sure-below", "0,5");
        StringAssert.Contains(run.Errors.Single(), "not '0,5'");
    }

    private static async Task<CommandLineRun> Train(string name, string content, params string[] options)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File(name), content);
        return await CommandLineRun.InProcess(["train", "--kind", "multiclass", "--train", folder.File(name), "--model", folder.File("m.mlnet"), .. options]);
    }
}
