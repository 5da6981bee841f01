using Microsoft.DotNet.Interactive.Formatting;
using Microsoft.ML.LoraInit.Interactive;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Interactive;

/// <summary>What a notebook shows.</summary>
[TestClass]
public sealed class LoraFormattersTests
{
    [ClassInitialize]
    public static void Register(TestContext _) => LoraFormatters.Register();

    [TestMethod]
    public void AHistoryIsATableWithTheBestEpoch()
    {
        var history = TrainedModels.Step(TrainedModels.Multiclass).History;
        var html = Html(history);
        Assert.AreEqual(history.Epochs.Count + 1, html.Split("<tr>").Length - 1);
        StringAssert.Contains(html, "best");
        Assert.IsFalse(html.Contains("Pearson", StringComparison.Ordinal), "a column without values is left out");
    }

    [TestMethod]
    public void AnExplanationColoursEveryWordForEveryClass()
    {
        var html = Html(TrainedModels.Step(TrainedModels.Multiclass).Explain("The <soup> tasted of garlic.", options: new() { Steps = 4 }));
        foreach (var name in (string[])["food", "sport", "weather"])
            StringAssert.Contains(html, $"<b>{name}</b>");
        StringAssert.Contains(html, ">soup</span>");
        Assert.IsFalse(html.Contains("<soup>", StringComparison.Ordinal), "texts are escaped");
    }

    [TestMethod]
    public void MetricsAreARowEach()
    {
        var ml = Topics.Context();
        var metrics = ml.MulticlassClassification.Evaluate(TrainedModels.Multiclass.Transform(Topics.View(ml)));
        StringAssert.Contains(Html(metrics), "MicroAccuracy");
    }

    [TestMethod]
    public void AnInspectionHasItsLayersAndTheirTotal()
    {
        var report = InitializationInspector.Inspect(new() { Training = Topics.Options(o => o.Rank = 2) });
        var html = Html(report);
        foreach (var layer in report.Layers)
            StringAssert.Contains(html, layer.Module);
        StringAssert.Contains(html, ">all<");
    }

    private static string Html(object value) => value.ToDisplayString(HtmlFormatter.MimeType);
}
