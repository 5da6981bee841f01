using Microsoft.ML.LoraInit.Training.Checkpointing;

namespace Microsoft.ML.LoraInit.Tests.Training;

[TestClass]
public sealed class RunFingerprintTests
{
    // What version 0.1.0 wrote of a run, but for what has stayed.
    private static SortedDictionary<string, string> Stored(string initialization)
    {
        var entries = RunFingerprint.Of(ToyRun.Request());
        entries.Remove("ExcludeModules");
        (entries["Initialization"], entries["Method"]) = (initialization, "LoraMethod { Name = lora }");
        return entries;
    }

    [TestMethod]
    [DataRow("""{"name":"kaiming"}""", "kaiming")]
    [DataRow("""{"name":"nora","scale":1}""", "nora:side=b")]
    [DataRow("""{"name":"milora"}""", "milora")]
    public void ARunOfTheFirstVersionGoesOn(string stored, string now)
    {
        var differences = RunFingerprint.Differences(Stored(stored), RunFingerprint.Of(ToyRun.Request(o => o.Initialization = LoraInitialization.Parse(now))));
        Assert.AreEqual("", string.Join("; ", differences));
    }

    [TestMethod]
    public void ABottleneckRunOfTheFirstVersionGoesOnAndOneThatSkipsLayersIsAnother()
    {
        SortedDictionary<string, string> Of(int skip) => RunFingerprint.Of(ToyRun.Request(o => o.Method = FineTuningMethod.Houlsby(16, skip)));
        Assert.AreEqual("HoulsbyMethod { Name = houlsby, Size = 16 }", Of(0)["Method"]);
        Assert.AreNotEqual(Of(0)["Method"], Of(1)["Method"]);
    }

    [TestMethod]
    public void AnotherMeaningOfTheSameNameIsAnotherRun()
    {
        var now = RunFingerprint.Of(ToyRun.Request(o => (o.Initialization, o.ExcludeModules) = (LoraInitialization.Nora(), TargetModules.Named("key"))));
        var differences = RunFingerprint.Differences(Stored("""{"name":"nora","scale":1}"""), now).ToArray();
        Assert.AreEqual(2, differences.Length, string.Join("; ", differences));
        Assert.AreEqual("ExcludeModules was none and is key", differences[0]);
        StringAssert.Contains(differences[1], "\"side\":\"b\"");
    }

    [TestMethod]
    public void FrozenFactorsAndBiasesAreOtherRuns()
    {
        var plain = RunFingerprint.Of(ToyRun.Request());
        foreach (var method in new[] { "lora:freeze=a", "lora:bias=all" })
            Assert.AreEqual(1, RunFingerprint.Differences(plain, RunFingerprint.Of(ToyRun.Request(o => o.Method = FineTuningMethod.Parse(method)))).Count(), method);
    }
}
