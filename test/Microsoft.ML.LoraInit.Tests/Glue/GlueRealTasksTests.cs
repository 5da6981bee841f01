using Microsoft.ML.LoraInit.Samples;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;
using Microsoft.ML.LoraInit.Tests.Samples;

namespace Microsoft.ML.LoraInit.Tests.Glue;

/// <summary>
/// The <c>glue</c> verb on the first rows of two real tasks: three strategies, two seeds, the embedded model. Minutes on
/// two cores.
/// </summary>
[TestClass]
[DoNotParallelize]
public class GlueRealTasksTests
{
    private static readonly TemporaryFolder Folder = new();
    private static readonly Lazy<Task<string>> Whole = new(async () =>
    {
        var folder = Folder.File("whole");
        Assert.AreEqual(ExitCodes.Success, (await CommandLineRun.ChildProcess(Arguments(folder))).ExitCode);
        Assert.AreEqual(12, new RunStore(folder).ReadAll().Count);
        return folder;
    });

    [ClassCleanup]
    public static void Delete() => Folder.Dispose();

    [TestMethod]
    [TestCategory("Long")]
    public async Task ShardsOfRealTasksMergedEqualTheWhole()
    {
        var whole = await Whole.Value;
        string[] folders = [Folder.File("shard0"), Folder.File("shard1")];
        var shards = await Task.WhenAll(folders.Select((f, i) => CommandLineRun.ChildProcess(Arguments(f, "--shard", $"{i}/2"))));
        Assert.IsTrue(shards.All(s => s.ExitCode == ExitCodes.Success));
        RunMerge.Merge(folders, Folder.File("merged"));
        CollectionAssert.AreEqual(GridProcess.Results(whole), GridProcess.Results(Folder.File("merged")));
    }

    [TestMethod]
    [TestCategory("Long")]
    public async Task RealTasksKilledAndStartedAgainEndTheSame()
    {
        var whole = await Whole.Value;
        var folder = Folder.File("killed");
        var arguments = Arguments(folder, "--checkpoint-every", "1");
        await GridProcess.KillInTheMiddle(folder, arguments, TimeSpan.FromMinutes(20));
        Assert.IsTrue(new RunStore(folder).ReadAll().Count < 12);
        Assert.AreEqual(ExitCodes.Success, (await CommandLineRun.ChildProcess(arguments)).ExitCode);
        CollectionAssert.AreEqual(GridProcess.Results(whole), GridProcess.Results(folder));
        Assert.IsTrue(new RunStore(folder).ReadAll().Any(r => r.Attempts == 2), "no run was resumed");
    }

    private static string[] Arguments(string folder, params string[] more) =>
    [
        "glue", "--data-dir", ParityData.RequireShared("glue"), "--base-model", "mini", "--tasks", "rte,mrpc", "--inits", "kaiming,pissa,inilora-alpha",
        "--learning-rates", "1e-3", "--seeds", "0,1", "--epochs", "2", "--train-rows", "96", "--dev-rows", "48", "--max-length", "64", "--threads", "1", "--out", folder, .. more,
    ];
}
