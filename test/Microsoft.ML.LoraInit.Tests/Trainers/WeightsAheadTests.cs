using Microsoft.ML.LoraInit.Roberta;
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

    private static BaseWeights Copy()
    {
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        return files.LoadWeights(TorchSharp.torch.CPU, TorchSharp.torch.ScalarType.Float32);
    }
}
