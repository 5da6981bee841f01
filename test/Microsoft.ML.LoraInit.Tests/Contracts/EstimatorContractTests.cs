using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Tests.Libraries;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Contracts;

/// <summary>Every trainer and transform keeps ML.NET's contract.</summary>
[TestClass]
public class EstimatorContractTests
{
    private readonly MLContext _ml = Topics.Context();

    private IDataView View => Topics.View(_ml);

    private IDataView Keys => _ml.Transforms.Conversion.MapValueToKey("Label").Fit(View).Transform(View);

    private IDataView Vectors => _ml.Transforms.Conversion.ConvertType("Sport", "IsSport").Append(_ml.Transforms.Conversion.ConvertType("Heavy", "Weight"))
        .Append(_ml.Transforms.CustomMapping<Topics.Row, Halves>((row, two) => two.Parts = [row.IsSport ? 1 : 0, row.Weight > 1 ? 1 : 0], null)).Fit(View).Transform(View);

    [TestMethod]
    [DataRow(null)]
    [DataRow("Text2")]
    public void Multiclass(string? text2) => EstimatorContract.Hold(
        _ml, _ml.MulticlassClassification.Trainers.LoraTextClassification(Topics.Options(o => (o.MaxEpochs, o.Text2ColumnName) = (1, text2))), Keys,
        [.. Without(Keys, "Text", "Label"), View, Renamed(Keys, "Text", "Value")]);

    [TestMethod]
    public void Binary() => EstimatorContract.Hold(
        _ml, _ml.BinaryClassification.Trainers.LoraTextClassification(Topics.Binary(o => o.MaxEpochs = 1)), View,
        [.. Without(View, "Text", "IsSport"), Renamed(View, "IsSport", "Value")]);

    [TestMethod]
    public void Regression() => EstimatorContract.Hold(
        _ml, _ml.Regression.Trainers.LoraTextRegression(Topics.Regression(o => o.MaxEpochs = 1)), View,
        [.. Without(View, "Text", "Value"), Renamed(View, "Value", "IsSport")]);

    [TestMethod]
    public void MultiLabel()
    {
        var options = new LoraMultiLabelTextClassificationTrainer.Options { LabelColumnName = "Parts", MaxEpochs = 1, BatchSize = 8 };
        EstimatorContract.Hold(_ml, _ml.MulticlassClassification.Trainers.LoraMultiLabelTextClassification(options), Vectors,
            [.. Without(Vectors, "Text", "Parts"), Renamed(Vectors, "Parts", "IsSport")]);
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow(24)]
    public void TokenIds(int? length) => EstimatorContract.Hold(
        _ml, _ml.Transforms.Text.RobertaTokenIds(RobertaTextTokenizer.Of(RobertaCheckpoint.Mini, 64), length: length), View,
        [.. Without(View, "Text"), Renamed(View, "Text", "Value")]);

    [TestMethod]
    public void ALibraryOfAdapters()
    {
        using var model = MadeUpModels.Create("plain", MadeUpModels.Multiclass("a", "b", "c"), 1);
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        library.Add("one", model);
        var rows = _ml.Transforms.Expression("Adapter", "(x) => \"one\"", "Text").Fit(View).Transform(View);
        using var step = library.CreateTransformer();

        EstimatorContract.HoldSaved(_ml, step, rows, step.Transform(rows));
        foreach (var wrong in Without(rows, "Text", "Adapter"))
            EstimatorContract.HoldRefusals(step, wrong);
    }

    [TestMethod]
    public void TrainedModelsRefuseRowsWithoutTheirTexts()
    {
        EstimatorContract.HoldRefusals(TrainedModels.Binary, Without(View, "Text").Single());
        EstimatorContract.HoldRefusals(TrainedModels.Binary, Renamed(View, "Text", "Value"));
        EstimatorContract.HoldRefusals(TrainedModels.Regression, Without(View, "Text2").Single());
    }

    private IEnumerable<IDataView> Without(IDataView view, params string[] columns) =>
        columns.Select(column => _ml.Transforms.DropColumns(column).Fit(view).Transform(view));

    /// <summary>The column has another's values, and type.</summary>
    private IDataView Renamed(IDataView view, string column, string source) => _ml.Transforms.CopyColumns(column, source).Fit(view).Transform(view);

    private sealed class Halves
    {
        [VectorType(2)]
        public float[] Parts { get; set; } = [];
    }
}
