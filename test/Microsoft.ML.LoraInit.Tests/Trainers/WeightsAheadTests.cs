using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Persistence;
using Microsoft.ML.LoraInit.Tests.Training;
using Microsoft.ML.LoraInit.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Trainers;

/// <summary>Weights that are loaded beside other work come to whoever takes them, and are freed where nobody does.</summary>
[TestClass]
public sealed class WeightsAheadTests
{
    [TestMethod]
    public void WhoeverTakesThemOwnsThem()
    {
        using var lease = ToyRun.Base.AddLease();
        BaseWeights taken;
        using (var ahead = new WeightsAhead(lease.AddLease))
            taken = ahead.Take();
        using (taken)
            Assert.IsFalse(taken.Tensors.Values.First().IsInvalid);
    }

    [TestMethod]
    public void ThoseThatNobodyTakesAreFreedAndWaitedFor()
    {
        BaseWeights? loaded = null;
        using (new WeightsAhead(() =>
        {
            Thread.Sleep(100);
            return loaded = Copy();
        }))
        {
        }
        Assert.IsNotNull(loaded, "the files are closed after the other thread is done");
        Assert.IsTrue(loaded.Tensors.Values.All(t => t.IsInvalid));
    }

    [TestMethod]
    public void WhatLoadingThrowsComesOutWhereTheyAreTakenAndNowhereElse()
    {
        using (new WeightsAhead(() => throw new InvalidDataException("damaged")))
        {
        }
        using var ahead = new WeightsAhead(() => throw new InvalidDataException("damaged"));
        Assert.AreEqual("damaged", Assert.ThrowsExactly<InvalidDataException>(ahead.Take).Message);
    }

    [TestMethod]
    public void WorkThatIsOfNoUseAnyMoreIsGivenUp()
    {
        using var ahead = new WeightsAhead(() => throw new InvalidDataException("damaged"));
        Assert.AreEqual("damaged", Assert.ThrowsExactly<InvalidDataException>(() => ahead.Meanwhile(Endless, default)).Message);

        using var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        using var good = new WeightsAhead(ToyRun.Base.AddLease());
        Assert.ThrowsExactly<OperationCanceledException>(() => good.Meanwhile(Endless, stop.Token));

        static int Endless(CancellationToken stop)
        {
            Assert.IsTrue(stop.WaitHandle.WaitOne(TimeSpan.FromMinutes(1)), "it goes on");
            stop.ThrowIfCancellationRequested();
            return 0;
        }
    }

    [TestMethod]
    public void RowsAreReadNoFurtherThanTheBaseIsFoundDamaged()
    {
        using var folder = new TemporaryFolder();
        var (ml, directory) = (Topics.Context(), MiniFolder.Create(folder));
        using (var file = File.OpenWrite(Path.Combine(directory, "model.safetensors")))
        {
            file.Seek(-2, SeekOrigin.End);
            file.Write([255, 255]); // a NaN of 16 bits
        }
        var trainer = ml.BinaryClassification.Trainers.LoraTextClassification(Topics.Binary(o => o.BaseModel = RobertaCheckpoint.FromDirectory(directory)));
        var until = DateTime.UtcNow.AddMinutes(1);

        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => trainer.Fit(Topics.View(ml, Endless()))).Message, "model.safetensors");

        IEnumerable<Topics.Row> Endless()
        {
            for (int i = 0; DateTime.UtcNow < until; i++)
                yield return Topics.Rows[i % Topics.Rows.Count];
            throw new TimeoutException("rows are read on");
        }
    }

    [TestMethod]
    public void ABaseThatChangesDuringTheTrainingIsNamedAndIsNoDivergence()
    {
        using var folder = new TemporaryFolder();
        var (ml, directory) = (Topics.Context(), MiniFolder.Create(folder));
        var trainer = ml.BinaryClassification.Trainers.LoraTextClassification(Topics.Binary(o =>
        {
            o.BaseModel = RobertaCheckpoint.FromDirectory(directory);
            (o.BaseQuantization, o.Precision) = (BaseQuantization.Nf4, Precision.BFloat16); // what is merged into is then read when the training has ended
            o.Progress = new Callback(p =>
            {
                if (p.Phase == TrainingPhase.Training)
                    File.WriteAllBytes(Path.Combine(directory, "model.safetensors"), new byte[1000]);
            });
        }));
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => trainer.Fit(Topics.View(ml))).Message, "while it was read");
    }

    private static BaseWeights Copy()
    {
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        return files.LoadWeights(TorchSharp.torch.CPU, TorchSharp.torch.ScalarType.Float32);
    }
}
