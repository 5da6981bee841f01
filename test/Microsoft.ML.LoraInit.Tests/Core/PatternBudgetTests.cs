using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Tests.Core;

[TestClass]
public sealed class PatternBudgetTests
{
    private static readonly TimeSpan Slow = TimeSpan.FromMilliseconds(260); // two of them are beyond the budget, one is not

    [TestMethod]
    public void PatternsThatAreSlowTogetherAreRefused()
    {
        var now = TimeSpan.Zero;
        var budget = new PatternBudget(() => now);
        Assert.AreEqual(Slow, budget.Spend("a", () => now += Slow));
        Assert.AreEqual(2 * Slow, budget.Spend("b", () => now += Slow));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => budget.Spend("c", () => 3)).Message, "\"c\" takes too long");
    }

    [TestMethod]
    public void AMatchThatHadNoTimeToRunBeginsAgain()
    {
        int tries = 0;
        var budget = new PatternBudget(() => TimeSpan.Zero);
        Assert.AreEqual(3, budget.Spend("a", () => ++tries < 3 ? throw new RegexMatchTimeoutException() : tries));
    }

    [TestMethod]
    public void WhatIsBrokenOffAgainAndAgainIsRefused()
    {
        var now = TimeSpan.Zero;
        var budget = new PatternBudget(() => now);
        var error = Assert.ThrowsExactly<ArgumentException>(() => budget.Spend<int>("a", () =>
        {
            now += Slow;
            throw new RegexMatchTimeoutException();
        }));
        Assert.IsInstanceOfType<RegexMatchTimeoutException>(error.InnerException);
    }
}
