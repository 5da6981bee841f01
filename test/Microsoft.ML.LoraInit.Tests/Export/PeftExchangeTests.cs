using System.Text.Json;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Initialization;
using Microsoft.ML.LoraInit.Tests.Trainers;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Export;

/// <summary>
/// A model of every initialisation becomes a PEFT adapter and a merged model that compute the same. With LORAINIT_PEFT_OUT
/// set to a folder, the files stay there with the expected logits, for eng/peft_check.py.
/// </summary>
[TestClass]
public sealed class PeftExchangeTests
{
    private const double Tolerance = 1e-4;
    private const int ApproximateRank = 64;

    public static IEnumerable<object[]> Initializations => InitializationRegistry.BuiltIn.Select(s => new object[] { s.Name });

    [TestMethod]
    [DynamicData(nameof(Initializations))]
    public void EveryInitialisationExports(string name)
    {
        using var temporary = new TemporaryFolder();
        var root = Path.Combine(Environment.GetEnvironmentVariable("LORAINIT_PEFT_OUT") ?? temporary.Path, name);
        Directory.CreateDirectory(root);
        var ml = Topics.Context();
        var view = Topics.View(ml, Topics.Rows.Take(24));
        var keyed = ml.Transforms.Conversion.MapValueToKey("Label").Fit(view).Transform(view);
        var initialization = name switch
        {
            "inilora" => LoraInitialization.Parse("inilora:steps=50"),
            "hrp" => LoraInitialization.Parse("hrp:rank=16,steps=4"),
            _ => LoraInitialization.Parse(name),
        };
        using var trained = ml.MulticlassClassification.Trainers.LoraTextClassification(
            Topics.Options(o => (o.Initialization, o.MaxEpochs) = (initialization, 1))).Fit(keyed);

        bool replaced = trained.FineTuning["adapters"]!.AsArray().Any(a => (string)a!["correction"]! == "replaced");
        var export = trained.SavePeftAdapter(Path.Combine(root, "adapter"), replaced ? ApproximateRank : null);
        trained.SaveMergedModel(Path.Combine(root, "merged"));

        var ids = Ids();
        var expected = Logits(trained.Model, ids);
        using var again = PeftAdapter.Load(Path.Combine(root, "adapter"), new() { BaseModel = RobertaCheckpoint.Mini });
        var adapter = Logits(again.Model, ids);
        Write(root, "ids.json", ids.Select(i => i.Ids));
        Write(root, "expected.json", new { logits = expected });
        Write(root, "expected_adapter.json", new { logits = adapter });
        Assert.AreEqual(!replaced, export.IsExact);
        if (replaced)
            Assert.IsTrue(export.RelativeError is > 0 and < 1);
        else
            Assert.AreEqual(0, Difference(expected, adapter), Tolerance);
    }

    [TestMethod]
    [DataRow(LoraBias.LoraOnly, "lora_only", 8)]
    [DataRow(LoraBias.All, "all", 4 * 8 + 1)]
    public void TrainedBiasesAreWrittenAsPeftNamesThem(LoraBias bias, string written, int count)
    {
        using var folder = new TemporaryFolder();
        var ml = Topics.Context();
        var view = Topics.View(ml, Topics.Rows.Take(24));
        var keyed = ml.Transforms.Conversion.MapValueToKey("Label").Fit(view).Transform(view);
        using var trained = ml.MulticlassClassification.Trainers.LoraTextClassification(
            Topics.Options(o => (o.Method, o.MaxEpochs) = (FineTuningMethod.Lora(bias: bias), 1))).Fit(keyed);
        trained.SavePeftAdapter(folder.File("adapter"));

        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder.File("adapter"), "adapter_config.json")));
        Assert.AreEqual(written, config.RootElement.GetProperty("bias").GetString());
        using var file = LoraInit.Checkpoints.SafetensorsFile.Open(Path.Combine(folder.File("adapter"), "adapter_model.safetensors"));
        var biases = file.Names.Where(n => n.EndsWith(".bias", StringComparison.Ordinal) && !n.Contains("classifier", StringComparison.Ordinal)).ToArray();
        Assert.AreEqual(count, biases.Length);
        using var scope = NewDisposeScope();
        var name = "roberta.encoder.layer.0.attention.self.query";
        Assert.IsTrue(file.Read($"base_model.model.{name}.base_layer.bias").allclose(trained.Model.State.Tensors[$"{name}.bias"]));
    }

    [TestMethod]
    [DataRow(LoraBias.LoraOnly)]
    [DataRow(LoraBias.All)]
    public void TrainedBiasesComeBack(LoraBias bias)
    {
        using var folder = new TemporaryFolder();
        var ml = Topics.Context();
        var view = Topics.View(ml, Topics.Rows.Take(24));
        var keyed = ml.Transforms.Conversion.MapValueToKey("Label").Fit(view).Transform(view);
        using var trained = ml.MulticlassClassification.Trainers.LoraTextClassification(
            Topics.Options(o => (o.Method, o.MaxEpochs, o.InitialLearningRate) = (FineTuningMethod.Lora(bias: bias), 2, 0.05))).Fit(keyed);
        trained.SavePeftAdapter(folder.File("adapter"));
        var scores = trained.Transform(keyed).GetColumn<float[]>("Score").ToArray();

        using var read = PeftAdapter.Load(folder.File("adapter"), new() { BaseModel = RobertaCheckpoint.Mini });
        Assert.AreEqual(FineTuningMethod.Lora(bias: bias), read.Method);
        Assert.AreEqual(0, Difference(scores, [.. read.Transform(view).GetColumn<float[]>("Score")]), 1e-5);

        // Training on starts from them and keeps them trained.
        using var further = ml.MulticlassClassification.Trainers.LoraTextClassification(
            Topics.Options(o => (o.InitialAdapter, o.MaxEpochs, o.InitialLearningRate) = (folder.File("adapter"), 1, 1e-9))).Fit(keyed);
        Assert.AreEqual(FineTuningMethod.Lora(bias: bias), further.Method);
        Assert.AreEqual(0, Difference(scores, [.. further.Transform(keyed).GetColumn<float[]>("Score")]), 1e-4);

        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => library.Add("x", folder.File("adapter"))).Message, "biases");
    }

    private static EncodedText[] Ids()
    {
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        var tokenizer = files.OpenTokenizer();
        return [.. Topics.Rows.Take(6).Select((r, i) => tokenizer.Encode(r.Text, i % 2 == 0 ? null : r.Text2, files.Config.MaxLength))];
    }

    private static float[][] Logits(FineTunedModel model, EncodedText[] ids)
    {
        using var files = model.Checkpoint.Open(null, CancellationToken.None);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        using var predictor = new RobertaPredictor(model.State.Config, model.State.MergedWeights(weights, CPU, ScalarType.Float32));
        return predictor.Predict(ids);
    }

    private static double Difference(float[][] expected, float[][] actual) =>
        expected.Zip(actual).Max(rows => rows.First.Zip(rows.Second).Max(p => Math.Abs(p.First - p.Second)));

    private static void Write(string folder, string name, object value) => File.WriteAllText(Path.Combine(folder, name), JsonSerializer.Serialize(value));
}
