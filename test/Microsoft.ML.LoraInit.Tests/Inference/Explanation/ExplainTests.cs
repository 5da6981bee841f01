using Microsoft.ML.LoraInit.Tests.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Inference.Explanation;

[TestClass]
public sealed class ExplainTests
{
    private const string Text = "The striker scored in the last minute, near Zürich 🙂.";

    [TestMethod]
    public void TokensHaveTheirPlaceInTheText()
    {
        var explanation = TrainedModels.Step(TrainedModels.Multiclass).Explain(Text);

        CollectionAssert.AreEqual(new[] { "food", "sport", "weather" }, explanation.Outputs.ToArray());
        foreach (var token in explanation.Tokens)
        {
            Assert.AreEqual(Text.Substring(token.Start, token.Length), token.Text);
            Assert.AreEqual(3, token.Attributions.Count);
        }
        Assert.AreEqual(Text.Replace(" ", ""), string.Concat(explanation.Tokens.Select(t => t.Text)));
        var words = explanation.ByWord();
        CollectionAssert.AreEqual(new[] { "The", "striker", "scored", "in", "the", "last", "minute", ",", "near", "Zürich", "🙂." }, words.Select(w => w.Text).ToArray());
        Assert.AreEqual(Text.IndexOf("Zürich", StringComparison.Ordinal), words[9].Start);
        Assert.AreEqual("Zürich".Length, words[9].Length);
        Assert.AreEqual(explanation.Tokens.Sum(t => t.Attributions[1]), words.Sum(w => w.Attributions[1]), 1e-9);
    }

    [TestMethod]
    public void TheAttributionsExplainTheScore()
    {
        var step = TrainedModels.Step(TrainedModels.Multiclass);
        var explanation = step.Explain(Text);
        int sport = explanation.IndexOf("sport");

        Assert.AreEqual(sport, explanation.Scores.ToList().IndexOf(explanation.Scores.Max()));
        double difference = explanation.Scores[sport] - explanation.BaselineScores[sport];
        Assert.IsTrue(difference > 0.5, $"{difference}");
        Assert.IsTrue(Math.Abs(explanation.Residuals[sport]) < 0.03 * difference, $"{explanation.Residuals[sport]} of {difference}");
        Assert.AreEqual(difference - explanation.Tokens.Sum(t => t.Attributions[sport]), explanation.Residuals[sport], 1e-9);
        // The scores are those of Transform, before the softmax.
        var ml = Topics.Context();
        var scored = TrainedModels.Multiclass.Transform(Topics.View(ml, [new Topics.Row { Text = Text, Label = "food" }]));
        var probabilities = ml.Data.CreateEnumerable<Topics.Prediction>(scored, false).Single().Score;
        double sum = explanation.Scores.Sum(Math.Exp);
        for (int c = 0; c < 3; c++)
            Assert.AreEqual(probabilities[c], Math.Exp(explanation.Scores[c]) / sum, 1e-4);
    }

    [TestMethod]
    public void EveryBaselineAndMethodGivesItsOwnAnswer()
    {
        var step = TrainedModels.Step(TrainedModels.Binary);
        var results = (from method in Enum.GetValues<AttributionMethod>()
                       from baseline in Enum.GetValues<AttributionBaseline>()
                       select step.Explain(Text, null, new() { Method = method, Baseline = baseline })).ToArray();

        Assert.IsTrue(results.All(r => r.Outputs.Single() == "true" && r.Tokens.All(t => double.IsFinite(t.Attributions[0]))));
        Assert.AreEqual(results.Length, results.Select(r => r.Tokens[1].Attributions[0]).Distinct().Count());
        Assert.AreEqual(results[0].BaselineScores[0], results[3].BaselineScores[0], 1e-5, "the same baseline, the other method");
    }

    [TestMethod]
    public void APairHasTokensOfBoth()
    {
        var step = TrainedModels.Step(TrainedModels.Regression);
        var explanation = step.Explain("The soup needs salt.", "It is about food.");

        Assert.AreEqual("Score", explanation.Outputs.Single());
        Assert.AreEqual("Thesoupneedssalt.", string.Concat(explanation.Tokens.Where(t => !t.IsSecondText).Select(t => t.Text)));
        Assert.AreEqual("Itisaboutfood.", string.Concat(explanation.Tokens.Where(t => t.IsSecondText).Select(t => t.Text)));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => step.Explain("alone")).Message, "text2");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => TrainedModels.Step(TrainedModels.Binary).Explain("a", "b")).Message, "text2");
    }

    [TestMethod]
    public void TextsEmptyAndLongAreExplainedAsRead()
    {
        var step = TrainedModels.Step(TrainedModels.Binary);
        Assert.AreEqual(0, step.Explain("").Tokens.Count);
        var cut = step.Explain(string.Concat(Enumerable.Repeat("word ", 600)), null, new() { Steps = 1 });
        Assert.AreEqual(510, cut.Tokens.Count);
        Assert.AreEqual(1, step.Explain("\uD800").Tokens.Sum(t => t.Length), "an unpaired surrogate is a character");
    }

    [TestMethod]
    [DoNotParallelize]
    public void ManyThreadsGetTheSameAndNothingIsLeft()
    {
        var step = TrainedModels.Step(TrainedModels.Multiclass);
        string[] texts = [Text, "The soup needs more salt.", "Heavy rain covered the whole coast."];
        var options = new ExplanationOptions { Steps = 5 };
        var alone = texts.Select(t => step.Explain(t, null, options)).ToArray();
        long before = LiveTensors.Count();
        var together = new TextExplanation[12];
        Parallel.For(0, together.Length, new() { MaxDegreeOfParallelism = 4 }, i => together[i] = step.Explain(texts[i % 3], null, options));

        Assert.IsTrue(Tensor.TotalCount <= before, "tensors are left");
        for (int i = 0; i < together.Length; i++)
            foreach (var (expected, actual) in alone[i % 3].Tokens.Zip(together[i].Tokens))
                for (int o = 0; o < 3; o++)
                    Assert.AreEqual(expected.Attributions[o], actual.Attributions[o], 1e-5);
    }

    [TestMethod]
    public void OptionsOutOfRangeAreTold()
    {
        var step = TrainedModels.Step(TrainedModels.Binary);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => step.Explain(Text, null, new() { Steps = 0 })).Message, "Steps = 0");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => step.Explain(Text, null, new() { Method = (AttributionMethod)9 })).Message, "Method");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => step.Explain(Text, null, new() { Baseline = (AttributionBaseline)9 })).Message, "Baseline");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => step.Explain(Text).IndexOf("false")).Message, "'false'");
    }
}
