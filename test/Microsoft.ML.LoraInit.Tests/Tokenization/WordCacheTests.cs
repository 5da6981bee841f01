using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Tests.Tokenization;

[TestClass]
public sealed class WordCacheTests
{
    [TestMethod]
    public void KeepsWhatWasAdded()
    {
        var cache = new WordCache();
        Assert.IsNull(cache.Find("word"));
        cache.Add("word", [1, 2]);
        CollectionAssert.AreEqual(new[] { 1, 2 }, cache.Find("a word".AsSpan(2)));
        Assert.IsNull(cache.Find("Word"));
    }

    [TestMethod]
    public void HoldsNoMoreThanItMay()
    {
        var cache = new WordCache(100);
        Parallel.For(0, 10_000, i =>
        {
            cache.Add($"w{i}", [i]);
            if (cache.Find($"w{i}") is { } ids)
                Assert.AreEqual(i, ids[0]);
        });
        Assert.IsTrue(cache.Count <= 100, $"{cache.Count}");
    }

    [TestMethod]
    public void LongPiecesAreNotKept()
    {
        var cache = new WordCache();
        var piece = new string('x', WordCache.LongestPiece + 1);
        cache.Add(piece, [1]);
        Assert.IsNull(cache.Find(piece));
        Assert.AreEqual(0, cache.Count);
    }
}
