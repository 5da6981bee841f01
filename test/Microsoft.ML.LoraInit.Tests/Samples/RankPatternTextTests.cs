using Microsoft.ML.LoraInit.Samples;
using Microsoft.ML.LoraInit.Samples.Commands;

namespace Microsoft.ML.LoraInit.Tests.Samples;

[TestClass]
public sealed class RankPatternTextTests
{
    [TestMethod]
    public void NamesHaveARankEach() => CollectionAssert.AreEqual(
        new[] { "query 4", @"layer\.0\..* 12" },
        RankPatternText.Parse("--rank-pattern", @"query=4, layer\.0\..*=12", () => throw new InvalidOperationException("nobody asked")).Select(p => $"{p.Key} {p.Value}").ToArray());

    [TestMethod]
    public void RanksRiseFromTheFirstLayerToTheLast()
    {
        CollectionAssert.AreEqual(new[] { 2, 5, 7, 10 }, RankPatternText.Parse("--rank-pattern", "2..10", () => 4).Values.ToArray());
        CollectionAssert.AreEqual(new[] { 3 }, RankPatternText.Parse("--rank-pattern", "3..9", () => 1).Values.ToArray());
    }

    [TestMethod]
    [DataRow("query", "name=rank")]
    [DataRow("query=x", "'x' is no rank")]
    [DataRow("0..8", "'0' is no rank")]
    [DataRow("", "is empty")]
    public void WhatIsNoPatternIsRefused(string text, string expected) =>
        StringAssert.Contains(Assert.ThrowsExactly<UsageException>(() => RankPatternText.Parse("--rank-pattern", text, () => 4)).Message, expected);
}
