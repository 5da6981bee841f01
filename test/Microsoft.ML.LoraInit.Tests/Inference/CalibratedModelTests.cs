using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Tests.Libraries;
using Microsoft.ML.LoraInit.Tests.Onnx;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Inference;

/// <summary>A temperature, or two, and the answer to empty texts, in every form that a model has.</summary>
[TestClass]
public sealed class CalibratedModelTests
{
    private const double Temperature = 2.5;

    private static readonly string[] Classes = ["a", "b", "c"];
    private static readonly float[] Shares = [0.2f, 0.5f, 0.3f];
    private static readonly string[] Texts = ["", "  \t", "The soup tasted of garlic.", .. MadeUpModels.Texts[..8]];

    [TestMethod]
    public void TheTemperatureChangesProbabilitiesAndNoLabel()
    {
        using var plain = Create(ScoreCalibration.None);
        using var model = Create(Calibration);
        var (before, after) = (Rows(plain), Rows(model));
        CollectionAssert.AreEqual(before[2..].Select(r => r.Label).ToArray(), after[2..].Select(r => r.Label).ToArray());
        for (int i = 2; i < Texts.Length; i++)
        {
            var powers = Array.ConvertAll(before[i].Score, p => Math.Pow(p, 1 / Temperature));
            Near([.. powers.Select(p => (float)(p / powers.Sum()))], after[i].Score);
        }
    }

    [TestMethod]
    public void ABendDividesDistancesFromTheLargestLogitAndChangesNoLabel()
    {
        using var plain = Create(ScoreCalibration.None);
        using var model = Create(Of(bent: true));
        var (before, after) = (Rows(plain), Rows(model));
        CollectionAssert.AreEqual(before[2..].Select(r => r.Label).ToArray(), after[2..].Select(r => r.Label).ToArray());
        for (int i = 2; i < Texts.Length; i++)
        {
            Assert.AreEqual((int)after[i].Label - 1, Array.IndexOf(after[i].Score, after[i].Score.Max()), "the likeliest is the predicted one");
            var odds = Array.ConvertAll(before[i].Score, p => Math.Log(before[i].Score.Max() / p));
            var shares = Array.ConvertAll(odds, d => Math.Exp(-(Math.Min(d, Bend.At) / Bend.Near) - (Math.Max(d - Bend.At, 0) / Bend.Far)));
            Near([.. shares.Select(p => (float)(p / shares.Sum()))], after[i].Score);
        }
        Assert.IsTrue(Texts[2..].Where((_, i) => before[i + 2].Score.Max() / before[i + 2].Score.Min() > Math.Exp(Bend.At)).Any(), "no distance goes beyond the bend");
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void AnEmptyTextGetsTheClassesShares(bool bent)
    {
        using var model = Create(Of(bent));
        foreach (var row in Rows(model)[..2])
        {
            Near(Shares, row.Score);
            Assert.AreEqual(2u, row.Label);
        }
        using var plain = Create(ScoreCalibration.None);
        Assert.IsTrue(Rows(plain).All(r => r.Score.All(float.IsFinite)));
        Assert.IsTrue(Rows(plain)[0].Score.Zip(Shares).Any(s => Math.Abs(s.First - s.Second) > 1e-3), "the model's own answer is the shares by chance");
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void AModelOfPairsIsEmptyWhereBothTextsAre(bool bent)
    {
        using var model = Create(Of(bent), pair: true);
        var scores = model.Model.Scorer.Score([new("", " "), new("", "The soup."), new("The soup.", "")]);
        CollectionAssert.AreEqual(Of(bent).Empty, scores[0]);
        CollectionAssert.AreNotEqual(Of(bent).Empty, scores[1]);
        CollectionAssert.AreNotEqual(Of(bent).Empty, scores[2]);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void SavedLibraryAndOnnxModelsSayTheSame(bool bent)
    {
        using var model = Create(Of(bent));
        var expected = Rows(model);
        using var folder = new TemporaryFolder();
        var ml = new MLContext();
        ml.Model.Save(model, null, folder.File("m.mlnet"));
        using var loaded = (LoraTextTransformer)ml.Model.Load(folder.File("m.mlnet"), out _);
        Assert.AreEqual(Temperature, loaded.Temperature);
        Assert.AreEqual(Of(bent).Bend, loaded.TemperatureBend);
        Same(expected, Rows(loaded), 0);
        using var onnx = model.ToOnnxRuntime();
        Same(expected, Rows(onnx), 1e-5);
        ml.Model.Save(onnx, null, folder.File("onnx.mlnet"));
        using var loadedOnnx = (OnnxTextTransformer)ml.Model.Load(folder.File("onnx.mlnet"), out _);
        Same(expected, Rows(loadedOnnx), 1e-5);

        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        library.Add("one", model);
        library.Save(folder.File("library"));
        using var second = AdapterLibrary.Load(folder.File("library"));
        foreach (var from in (AdapterLibrary[])[library, second])
        {
            var predictions = from.Predict("one", Texts);
            Same(expected, [.. predictions.Select(p => new Row((uint)Array.IndexOf(Classes, p.PredictedLabel) + 1, [.. p.Score]))], 1e-5);
            Assert.AreEqual(2, predictions.Count(p => p.Score[1] == predictions[0].Score[1]));
        }
        using var alone = library.CreateModel("one");
        Same(expected, Rows(alone), 1e-5);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void AnOnnxFileHasLogitsBeforeAndProbabilitiesAfter(bool bent)
    {
        using var model = Create(Of(bent));
        using var folder = new TemporaryFolder();
        model.SaveOnnxModel(folder.File("m.onnx"));
        using var interpreter = new OnnxInterpreter(OnnxFile.Read(folder.File("m.onnx")));
        string[] texts = ["", Texts[2], Texts[5]];
        var (ids, mask, _) = RobertaTextTokenizer.Of(model).EncodeBatch(texts);
        var outputs = interpreter.Run(ids, mask, texts.Length);
        var logits = model.Model.Scorer.Score([.. texts.Select(t => new TextPair(t, null))]);
        var scores = Rows(model).Where((_, i) => i is 0 or 2 or 5).ToArray();
        for (int i = 0; i < texts.Length; i++)
        {
            Near(logits[i], outputs["logits"][i], 1e-4);
            Near(scores[i].Score, outputs["probabilities"][i], 1e-5);
        }
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void FoldersForPythonHaveItInTheHead(bool bent)
    {
        using var model = Create(Of(bent));
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        model.SaveMergedModel(folder.File("merged"));
        model.SavePeftAdapter(folder.File("peft"));
        Assert.AreEqual(bent, File.ReadAllText(folder.File("merged/README.md")).Contains("less exact", StringComparison.Ordinal));
        foreach (var (file, name) in ((string, string)[])[("merged/model.safetensors", "classifier.out_proj.weight"), ("peft/adapter_model.safetensors", "base_model.model.classifier.out_proj.weight")])
        {
            using var tensors = SafetensorsFile.Open(folder.File(file));
            var difference = tensors.Read(name, ScalarType.Float32) * Temperature - model.Model.State.Tensors["classifier.out_proj.weight"];
            Assert.AreEqual(0, difference.abs().max().item<float>(), 1e-6, file);
        }
    }

    [TestMethod]
    public void YesOrNoAndLabelsDivideTheirLogits()
    {
        using var binary = MadeUpModels.Create("plain", MadeUpModels.Binary().With(new(Temperature, null)), 3);
        var logit = binary.Model.Scorer.Score([new(Texts[2], null)])[0][0];
        var view = new MLContext().Data.LoadFromEnumerable([new Input { Text = Texts[2] }]);
        Assert.AreEqual(logit / Temperature, binary.Transform(view).GetColumn<float>("Score").Single(), 1e-6);
        Assert.AreEqual(1 / (1 + Math.Exp(-logit / Temperature)), binary.Transform(view).GetColumn<float>("Probability").Single(), 1e-6);

        var columns = new MultiLabelColumns("Score", "Probability", "PredictedLabel", 3, null, 0.3).With(new(Temperature, null));
        using var labels = MadeUpModels.Create("plain", columns, 3);
        var logits = labels.Model.Scorer.Score([new(Texts[2], null)])[0];
        Near(Array.ConvertAll(logits, z => (float)(1 / (1 + Math.Exp(-z / Temperature)))), labels.Transform(view).GetColumn<float[]>("Probability").Single());
        CollectionAssert.AreEqual(Array.ConvertAll(logits, z => 1 / (1 + Math.Exp(-z)) >= 0.3), labels.Transform(view).GetColumn<bool[]>("PredictedLabel").Single());
    }

    [TestMethod]
    public void YesOrNoAndLabelsBendOnBothSidesOfZero()
    {
        var view = new MLContext().Data.LoadFromEnumerable(Texts[2..].Select(t => new Input { Text = t }));
        var calibration = new ScoreCalibration(Temperature, null) { Bend = Bend };
        using var binary = MadeUpModels.Create("plain", MadeUpModels.Binary().With(calibration), 3);
        using var labels = MadeUpModels.Create("plain", new MultiLabelColumns("Score", "Probability", "PredictedLabel", 3, null, 0.3).With(calibration), 3);
        foreach (var (model, column) in new[] { (binary, binary.Transform(view).GetColumn<float>("Score").Select(z => new[] { z })), (labels, labels.Transform(view).GetColumn<float[]>("Score")) })
        {
            var logits = model.Model.Scorer.Score([.. Texts[2..].Select(t => new TextPair(t, null))]);
            foreach (var (row, score) in logits.Zip(column))
                Near(Array.ConvertAll(row, z => (float)(Math.Sign(z) * ((Math.Min(Math.Abs(z), Bend.At) / Bend.Near) + (Math.Max(Math.Abs(z) - Bend.At, 0) / Bend.Far)))), score);
        }
    }

    [TestMethod]
    public void WhatAFileSaysIsChecked()
    {
        var json = MadeUpModels.Multiclass(Classes).With(Calibration).ToJson();
        Assert.AreEqual(Temperature, ScoreColumns.FromJson(json).Calibration.Temperature);
        Assert.IsFalse(MadeUpModels.Multiclass(Classes).ToJson().ContainsKey("temperature"), "a file as of 0.1.0 says nothing new");
        json["temperature"] = 0.0;
        StringAssert.Contains(Assert.ThrowsExactly<FormatException>(() => ScoreColumns.FromJson(json)).Message, "temperature");
        json["temperature"] = Temperature;
        foreach (var (bend, said) in new[] { ("[1, 2]", "three numbers"), ("[1, 0, 2]", "above 0"), ("[1, 2, 0]", "goes from"), ("[30, 2, 1]", "goes from"), ("[null, 2, 1]", "goes from") })
        {
            json["temperatureBend"] = System.Text.Json.Nodes.JsonNode.Parse(bend);
            StringAssert.Contains(Assert.ThrowsExactly<FormatException>(() => ScoreColumns.FromJson(json)).Message, said);
        }
        json.Remove("temperatureBend");
        json["emptyText"]!.AsArray().RemoveAt(0);
        StringAssert.Contains(Assert.ThrowsExactly<FormatException>(() => ScoreColumns.FromJson(json)).Message, "2 numbers for 3 outputs");
    }

    private static ScoreCalibration Calibration { get; } = new(Temperature, Array.ConvertAll(Shares, p => (float)(Temperature * Math.Log(p))));

    private static TemperatureBend Bend { get; } = new(Near: 4, At: 0.1, Far: 0.4);

    private static ScoreCalibration Of(bool bent) => !bent ? Calibration
        : new ScoreCalibration(Temperature, null) { Bend = Bend }.WithEmpty(new MulticlassTask(3), Array.ConvertAll(Shares, MathF.Log));

    private static LoraTextTransformer Create(ScoreCalibration calibration, bool pair = false) =>
        MadeUpModels.Create("plain", MadeUpModels.Multiclass(Classes).With(calibration), 3, pair: pair);

    private static Row[] Rows(ITransformer model)
    {
        var scored = model.Transform(new MLContext().Data.LoadFromEnumerable(Texts.Select(t => new Input { Text = t })));
        return [.. scored.GetColumn<uint>("PredictedLabel").Zip(scored.GetColumn<float[]>("Score"), (label, score) => new Row(label, score))];
    }

    private static void Same(Row[] expected, Row[] actual, double tolerance)
    {
        CollectionAssert.AreEqual(expected.Select(r => r.Label).ToArray(), actual.Select(r => r.Label).ToArray());
        foreach (var (a, b) in expected.Zip(actual))
            Near(a.Score, b.Score, tolerance);
    }

    private static void Near(float[] expected, float[] actual, double tolerance = 1e-5)
    {
        foreach (var (a, b) in expected.Zip(actual))
            Assert.AreEqual(a, b, tolerance);
    }

    private sealed record Row(uint Label, float[] Score);

    private sealed class Input
    {
        public string Text { get; set; } = "";
    }
}
