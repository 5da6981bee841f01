using Microsoft.ML.LoraInit.Samples.Inspection;

namespace Microsoft.ML.LoraInit.Tests.Samples.Pages;

[TestClass]
public sealed class InspectionPageTests
{
    private static readonly Lazy<(InspectionReport One, InspectionReport Other)> Reports = new(() => (Inspect(LoraInitialization.Pissa(), LoraInitialization.Kaiming()), Inspect(LoraInitialization.Kaiming(), LoraInitialization.Pissa())));

    [TestMethod]
    [DataRow(1400)]
    [DataRow(390)]
    public void TwoStrategiesStandSideBySide(int width)
    {
        using var folder = new TemporaryFolder();
        var (one, other) = Reports.Value;
        File.WriteAllText(folder.File("page.html"), InspectionPage.Write(one, other));
        int charts = 2 * (Measure.In(one, other).Count + 1);
        Assert.AreEqual($"width={width} scroll={width} drawn={charts} canvases={charts} blank=0 unsigned=true error=.", Browser.Measure(folder.File("page.html"), width));
    }

    [TestMethod]
    public void SharesGoFromZeroToOneAndRoundingIsAboutZero()
    {
        var (one, other) = Reports.Value;
        var page = InspectionPage.Write(one, other);
        Has(page, "Overlap of the inputs: pissa");
        Has(page, "Overlap of the inputs: kaiming");
        Has(page, "≈ 0");
        Assert.IsTrue(one.Total.WeightChange is > 0 and < Measure.Rounding);
        int shares = Measure.In(one, other).Count(m => m.Scale == MeasureScale.Share);
        Assert.AreEqual(2 * shares, page.Split("\"y\":{\"title\":\"\",\"least\":0,\"most\":1,").Length - 1);
    }

    [TestMethod]
    [DataRow(0.93, 1.0)]
    [DataRow(0.3, 0.5)]
    [DataRow(7e-8, 1e-7)]
    [DataRow(2.4, 2.5)]
    public void AxesEndAtRoundNumbers(double largest, double end) => Assert.AreEqual(end, InspectionPage.Ceiling(largest), end * 1e-9);

    // The page itself is too long for a message.
    private static void Has(string page, string part) => Assert.IsTrue(page.Contains(part, StringComparison.Ordinal), $"The page lacks '{part}'.");

    private static InspectionReport Inspect(LoraInitialization start, LoraInitialization against) =>
        InitializationInspector.Inspect(new() { Training = new LoraTextClassificationTrainer.Options { Rank = 2, Initialization = start }, Against = against, ProbeRows = 2 });
}
