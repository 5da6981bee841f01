using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Tests.Core;

[TestClass]
public sealed class PatternBudgetTests
{
    [TestMethod]
    public void PatternsThatAreSlowTogetherAreRefused()
    {
        var budget = new PatternBudget();
        Assert.AreEqual(1, budget.Spend("a", () => Slow(1)));
        Assert.AreEqual(2, budget.Spend("b", () => Slow(2)));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => budget.Spend("c", () => 3)).Message, "\"c\" takes too long");
    }

    private static int Slow(int result)
    {
        Thread.Sleep(260); // two of them are beyond the budget, one is not
        return result;
    }
}
