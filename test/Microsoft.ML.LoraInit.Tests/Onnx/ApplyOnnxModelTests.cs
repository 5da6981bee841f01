using System.Text.Json;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Tests.Libraries;
using Microsoft.ML.LoraInit.Tests.Trainers;
using Microsoft.ML.OnnxRuntime;

namespace Microsoft.ML.LoraInit.Tests.Onnx;

/// <summary>Exported models in the runtimes that they are made for: ML.NET's ApplyOnnxModel, and ONNX Runtime by itself.</summary>
[TestClass]
public sealed class ApplyOnnxModelTests
{
    private const double Tolerance = 1e-4;

    private static readonly string[] Inputs = ["input_ids", "attention_mask"];

    private static readonly Dictionary<string, Lazy<Exported>> Models = new()
    {
        ["multiclass"] = new(() => new(TrainedModels.Step(TrainedModels.Multiclass), "probabilities", "Score", null)),
        ["binary"] = new(() => new(TrainedModels.Step(TrainedModels.Binary), "probability", "Probability", "Score")),
        ["regression of pairs"] = new(() => new(TrainedModels.Step(TrainedModels.Regression), "score", "Score", "Score")),
        ["multilabel pairs"] = new(() => new(TrainedModels.Step(TrainedModels.MultiLabelPairs), "probabilities", "Probability", "Score")),
        ["two temperatures"] = new(() => new(MadeUpModels.Create("plain", MadeUpModels.Multiclass("a", "b", "c").With(Bent), 3), "probabilities", "Score", null) { IsOwn = true }),
        ["two temperatures, yes or no"] = new(() => new(MadeUpModels.Create("plain", MadeUpModels.Binary().With(Bent), 3), "probability", "Probability", null) { IsOwn = true }),
    };

    private static ScoreCalibration Bent => new(1.5, null) { Bend = new(Near: 4, At: 0.1, Far: 0.4) };

    // From a sentence to a text that is cut at the maximum length, and nothing at all.
    private static readonly Topics.Row[] Rows =
    [
        .. new[] { 1, 2, 0, 4, 1, 6, 9, 100 }.Select((n, i) => new Topics.Row { Text = string.Join(' ', Enumerable.Repeat(Topics.Rows[i].Text, n)), Text2 = Topics.Rows[i].Text2 }),
    ];

    public static IEnumerable<object[]> Names => Models.Keys.Select(name => new object[] { name });

    [ClassCleanup]
    public static void Remove()
    {
        foreach (var made in Models.Values.Where(m => m.IsValueCreated))
            made.Value.Dispose();
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void EachRowScoresAsTheModelDoes(string name)
    {
        var (ml, model) = (Topics.Context(), Models[name].Value);
        Assert.AreEqual(model.Model.Model.ModelSettings.MaxLength, model.Encode(Rows[^1]).Length);
        var view = Topics.View(ml, Rows);
        using var folder = new TemporaryFolder();
        var path = folder.File("copy.onnx");
        File.Copy(model.Path, path);
        var scorer = model.Ids(ml).Append(ml.Transforms.ApplyOnnxModel(["logits", model.Output], Inputs, path)).Fit(view);
        model.Compare(Rows, scorer.Transform(view));
        using var stream = new MemoryStream();
        ml.Model.Save(scorer, view.Schema, stream);
        stream.Position = 0;
        File.Delete(path); // what is saved has the ONNX file in it
        var loaded = new MLContext().Model.Load(stream, out _);
        model.Compare(Rows, loaded.Transform(view));

        using var engine = ml.Model.CreatePredictionEngine<Topics.Row, Answer>(loaded);
        var expected = Exported.Values(scorer.Transform(Topics.View(ml, Rows.Take(3))), "logits");
        foreach (int row in (int[])[2, 0, 1])
            CollectionAssert.AreEqual(expected[row], engine.Predict(Rows[row]).Logits, $"row {row}");
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void PaddedRowsScoreAsTheModelDoes(string name)
    {
        var (ml, model) = (Topics.Context(), Models[name].Value);
        var rows = Rows.Where(r => model.Encode(r).Length <= 64).ToArray();
        Assert.IsTrue(rows.Length >= 4);
        var view = Topics.View(ml, rows);
        var shapes = new Dictionary<string, int[]> { ["input_ids"] = [1, 64], ["attention_mask"] = [1, 64] };
        // Two overloads differ in the last argument alone.
        var scorer = model.Ids(ml, 64).Append(ml.Transforms.ApplyOnnxModel(["logits", model.Output], Inputs, model.Path, shapes, recursionLimit: 100)).Fit(view);
        model.Compare(rows, scorer.Transform(view));
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void ABatchInOnnxRuntimeScoresAsTheModelDoes(string name)
    {
        var model = Models[name].Value;
        var (inputIds, attentionMask, length) = model.Tokenizer.EncodeBatch([.. Rows.Select(r => r.Text)], model.Pairs ? [.. Rows.Select(r => r.Text2)] : null);
        using var session = new InferenceSession(model.Path);
        // One more row, of nothing but padding.
        long[] shape = [Rows.Length + 1, length];
        using var ids = OrtValue.CreateTensorValueFromMemory<long>([.. inputIds, .. Enumerable.Repeat((long)model.Tokenizer.PadTokenId, length)], shape);
        using var mask = OrtValue.CreateTensorValueFromMemory<long>([.. attentionMask, .. new long[length]], shape);
        using var run = new RunOptions();
        using var results = session.Run(run, Inputs, [ids, mask], [model.Output]);

        var values = results[0].GetTensorDataAsSpan<float>().ToArray().Chunk(model.Outputs).ToArray();
        Assert.IsTrue(values[^1].All(float.IsFinite));
        model.Compare(Rows, values[..^1]);
        var metadata = session.ModelMetadata.CustomMetadataMap;
        if (name == "multilabel pairs")
            CollectionAssert.AreEqual(new[] { "Sport", "Warm" }, JsonSerializer.Deserialize<string[]>(metadata["lorainit.classes"]));
        Assert.AreEqual(model.Pairs ? "true" : "false", metadata["lorainit.pairs"]);
    }

    /// <summary>A model beside its ONNX file.</summary>
    /// <param name="Model">The model.</param>
    /// <param name="Output">The file's output beside the logits.</param>
    /// <param name="Column">The model's column that the output equals.</param>
    /// <param name="LogitColumn">The model's column of logits, where it has one.</param>
    private sealed record Exported(LoraTextTransformer Model, string Output, string Column, string? LogitColumn) : IDisposable
    {
        private readonly TemporaryFolder _folder = new();
        private string? _path;

        /// <summary>Whether no other test has the model.</summary>
        public bool IsOwn { get; init; }

        public RobertaTextTokenizer Tokenizer { get; } = RobertaTextTokenizer.Of(Model);

        public bool Pairs { get; } = Model.Model.ModelSettings.Texts.Text2 is not null;

        public int Outputs { get; } = Model.Model.ModelSettings.Scores.Task.OutputCount;

        public string Path
        {
            get
            {
                if (_path is null)
                    Model.SaveOnnxModel(_path = _folder.File("model.onnx"));
                return _path;
            }
        }

        public static float[][] Values(IDataView data, string column) => data.Schema[column].Type is VectorDataViewType
            ? [.. data.GetColumn<float[]>(column)]
            : [.. data.GetColumn<float>(column).Select(v => new[] { v })];

        public RobertaTokenIdEstimator Ids(MLContext ml, int? length = null) => ml.Transforms.Text.RobertaTokenIds(Tokenizer, "Text", Pairs ? "Text2" : null, length: length);

        public long[] Encode(Topics.Row row) => Tokenizer.Encode(row.Text, Pairs ? row.Text2 : null);

        public void Compare(Topics.Row[] rows, IDataView scored)
        {
            var expected = Scored(rows);
            scored = new MLContext().Data.Cache(scored, Output, "logits");
            Near(Values(expected, Column), Values(scored, Output));
            if (LogitColumn is not null)
                Near(Values(expected, LogitColumn), Values(scored, "logits"));
        }

        public void Compare(Topics.Row[] rows, float[][] outputs) => Near(Values(Scored(rows), Column), outputs);

        public void Dispose()
        {
            _folder.Dispose();
            if (IsOwn)
                Model.Dispose();
        }

        // By the model itself; columns that are read one after the other need not be computed twice.
        private IDataView Scored(Topics.Row[] rows)
        {
            var ml = Topics.Context();
            return ml.Data.Cache(Model.Transform(Topics.View(ml, rows)), Column, LogitColumn ?? Column);
        }

        private static void Near(float[][] expected, float[][] actual)
        {
            Assert.AreEqual(expected.Length, actual.Length);
            for (int i = 0; i < expected.Length; i++)
            {
                Assert.AreEqual(expected[i].Length, actual[i].Length, $"row {i}");
                var difference = expected[i].Zip(actual[i]).Max(v => Math.Abs(v.First - v.Second));
                Assert.IsTrue(difference <= Tolerance, $"Row {i} differs by {difference}.");
            }
        }
    }

    private sealed class Answer
    {
        [ColumnName("logits")]
        public float[] Logits { get; set; } = [];
    }
}
