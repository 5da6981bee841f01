using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Tokenization;
using TorchSharp;

namespace Microsoft.ML.LoraInit.Tests.Data.Batching;

[TestClass]
public sealed class BatchBuilderTests
{
    private static readonly EncodedText[] Texts = [new([0, 2]), new([0, 7, 8, 2]), new([0, 9, 2]), new([0, 5, 6, 2])];

    [TestMethod]
    public void RowsArePaddedOnTheRight()
    {
        using var scope = torch.NewDisposeScope();
        var batch = BatchBuilder.Build(Texts, [2, 1, 0], 1, torch.CPU);
        CollectionAssert.AreEqual(new long[] { 3, 4 }, batch.InputIds.shape);
        Assert.AreEqual(torch.ScalarType.Int64, batch.InputIds.dtype);
        CollectionAssert.AreEqual(new long[] { 0, 9, 2, 1, 0, 7, 8, 2, 0, 2, 1, 1 }, batch.InputIds.data<long>().ToArray());
        CollectionAssert.AreEqual(
            new[] { true, true, true, false, true, true, true, true, true, true, false, false }, batch.AttentionMask!.data<bool>().ToArray());
    }

    [TestMethod]
    public void EqualLengthsNeedNoMask()
    {
        using var scope = torch.NewDisposeScope();
        var batch = BatchBuilder.Build(Texts, [3, 1], 1, torch.CPU);
        Assert.IsNull(batch.AttentionMask);
        CollectionAssert.AreEqual(new long[] { 0, 5, 6, 2, 0, 7, 8, 2 }, batch.InputIds.data<long>().ToArray());
    }

    [TestMethod]
    public void NoRowsAreRefused() => Assert.ThrowsExactly<ArgumentException>(() => BatchBuilder.Build(Texts, [], 1, torch.CPU));

    [TestMethod]
    [DoNotParallelize]
    public void TheScopeFreesTheBatch()
    {
        using (torch.NewDisposeScope())
            BatchBuilder.Build(Texts, [2, 1, 0], 1, torch.CPU);
        long before = torch.Tensor.TotalCount;
        for (int i = 0; i < 100; i++)
        {
            using var scope = torch.NewDisposeScope();
            BatchBuilder.Build(Texts, [2, 1, 0], 1, torch.CPU);
        }
        long leaked = torch.Tensor.TotalCount - before;
        Assert.IsTrue(leaked < 20, $"{leaked} tensors are left of 200.");
    }
}
