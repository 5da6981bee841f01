using Microsoft.ML.LoraInit.Tests.Libraries;
using Microsoft.ML.LoraInit.Tests.Trainers;
using Microsoft.ML.LoraInit.Training;
using Microsoft.ML.LoraInit.Training.Checkpointing;

namespace Microsoft.ML.LoraInit.Tests.Training;

/// <summary>Processes that are ended without notice (SIGKILL, on Windows TerminateProcess) while they train, write checkpoints, and save models.</summary>
[TestClass]
public sealed class KillTests
{
    private const string Training = "training", Checkpointing = "checkpointing", Saving = "saving";

    [TestMethod]
    public void WhatIsKilledLosesNothing() => Kill(3);

    [TestMethod]
    [TestCategory("Long")]
    public void WhatIsKilledFiftyTimesLosesNothing() => Kill(50);

    /// <summary>What the processes to be killed do.</summary>
    internal static void Child(string[] args)
    {
        var (kind, path) = (args[0], args[1]);
        if (kind == Saving)
        {
            using var model = Model();
            for (int i = 0; ; i++)
            {
                new MLContext().Model.SaveWhole(model, null, path);
                Console.WriteLine(i);
            }
        }
        FineTuningRun.Execute(Request(kind, path) with { OnStep = step => { Console.WriteLine(step); Thread.Sleep(kind == Training ? 20 : 0); } }).Dispose();
    }

    private static void Kill(int times)
    {
        using var whole = FineTuningRun.Execute(Request(Training, null));
        using var model = Model();
        var random = new SeededRandom((ulong)Environment.TickCount64);
        var killed = new Dictionary<string, int> { [Training] = 0, [Checkpointing] = 0, [Saving] = 0 };
        for (int tries = 0; killed.Values.Sum() < times; tries++)
        {
            Assert.IsTrue(tries < 20 * times, $"Most processes ended before they were killed: {string.Join(", ", killed)}.");
            using var folder = new TemporaryFolder();
            var kind = killed.MinBy(k => k.Value).Key;
            var path = kind == Saving ? folder.File("model.mlnet") : folder.Path;
            if (!Killed(kind, path, random.Next(kind == Checkpointing ? 60 : 250)))
                continue;
            killed[kind]++;
            if (kind == Saving)
                ToyRun.AssertSameBits(Weights(model), Weights(TrainedModels.Step(new MLContext().Model.Load(path, out _))));
            else
            {
                Assert.IsTrue(File.Exists(folder.File(TrainingCheckpoint.FileName)));
                using var resumed = FineTuningRun.Execute(Request(kind, path));
                ToyRun.AssertSameBits(ToyRun.Weights(whole), ToyRun.Weights(resumed));
                Assert.IsEmpty(Directory.GetFiles(folder.Path, "*.tmp"));
            }
        }
    }

    /// <summary>Whether the process was still at work.</summary>
    private static bool Killed(string kind, string path, int after)
    {
        using var child = TestProcess.Start<KillTests>(kind, path);
        // The first line says that a step is done or a model saved; then the process ends at some moment.
        Assert.IsNotNull(child.StandardOutput.ReadLine(), child.HasExited ? child.StandardError.ReadToEnd() : "");
        Thread.Sleep(after);
        var alive = !child.HasExited;
        child.Kill();
        child.WaitForExit();
        return alive;
    }

    private static FineTuningRequest Request(string kind, string? folder) => ToyRun.Request(
        o => (o.MaxEpochs, o.CheckpointDirectory, o.CheckpointEverySteps) = (6, folder, kind == Checkpointing ? 1 : null), validationRows: 12);

    private static LoraTextTransformer Model() => MadeUpModels.Create("plain", MadeUpModels.Binary(), 1);

    private static Dictionary<string, float[]> Weights(LoraTextTransformer model) =>
        model.Model.State.Tensors.ToDictionary(t => t.Key, t => t.Value.data<float>().ToArray());
}
