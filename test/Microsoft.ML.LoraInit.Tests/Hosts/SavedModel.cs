using System.Security.Cryptography;
using Microsoft.ML.LoraInit.Hosting.Serving;
using Microsoft.ML.LoraInit.Samples.Web.Endpoints;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Hosts;

/// <summary>A model as a file's content, with what it answers.</summary>
internal sealed class SavedModel
{
    private static readonly Lazy<SavedModel> LazyFirst = new(() => new(TrainedModels.Multiclass));
    private static readonly Lazy<SavedModel> LazySecond = new(() =>
    {
        var ml = new MLContext(seed: 7);
        using var model = Topics.Pipeline(ml, Topics.Options(o => o.MaxEpochs = 1)).Fit(Topics.View(ml));
        return new(model);
    });

    private readonly Dictionary<string, Dictionary<string, float>> _answers = [];
    private readonly string[] _classes;
    private readonly Lazy<byte[]> _onnx;

    private SavedModel(ITransformer model)
    {
        var ml = Topics.Context();
        using var stream = new MemoryStream();
        ml.Model.Save(model, Topics.View(ml).Schema, stream);
        Bytes = stream.ToArray();
        _onnx = new(() =>
        {
            using var loaded = new MemoryStream(Bytes);
            using var trained = (IDisposable)ml.Model.Load(loaded, out var schema);
            using var converted = (IDisposable)((ITransformer)trained).ToOnnxRuntime();
            using var file = new MemoryStream();
            ml.Model.Save((ITransformer)converted, schema, file);
            return file.ToArray();
        });
        using var engine = ml.Model.CreatePredictionEngine<Topics.Row, Topics.Prediction>(model, new PredictionEngineOptions { OwnsTransformer = false });
        _classes = [.. Pipeline.OutputNames(engine.OutputSchema)];
        foreach (var text in Texts)
            _answers[text] = _classes.Zip(engine.Predict(new Topics.Row { Text = text }).Score).ToDictionary(c => c.First, c => c.Second);
    }

    public static SavedModel First => LazyFirst.Value;

    /// <summary>With the same classes, and other probabilities for every text.</summary>
    public static SavedModel Second => LazySecond.Value;

    public static IReadOnlyList<string> Texts { get; } = [.. Topics.Rows.Select(r => r.Text)];

    public byte[] Bytes { get; }

    /// <summary>The same for ONNX Runtime, in fp32.</summary>
    public byte[] OnnxBytes => _onnx.Value;

    public string Sha256 => Convert.ToHexStringLower(SHA256.HashData(Bytes));

    /// <summary>Whether an answer is this model's.</summary>
    public bool Says(string text, PredictEndpoint.Prediction prediction) =>
        prediction.Probabilities.Count == 3
        && prediction.Label == prediction.Probabilities[0].Label
        && prediction.Probabilities[0].Probability >= prediction.Probabilities[1].Probability
        && prediction.Probabilities[1].Probability >= prediction.Probabilities[2].Probability
        && prediction.Probabilities.All(p => Math.Abs(p.Probability - _answers[text][p.Label]) < 1e-4);

    /// <summary>Whether probabilities, in the order of the classes, are this model's.</summary>
    public bool Says(string text, IReadOnlyList<float> probabilities) =>
        probabilities.Count == _classes.Length && _classes.Zip(probabilities).All(c => Math.Abs(c.Second - _answers[text][c.First]) < 1e-4);

    /// <summary>Puts it in a file's place as a whole.</summary>
    public void MoveTo(string path) => MoveTo(path, onnx: false);

    /// <summary>Likewise, as the model for libtorch or for ONNX Runtime.</summary>
    public void MoveTo(string path, bool onnx)
    {
        File.WriteAllBytes(path + ".new", onnx ? OnnxBytes : Bytes);
        File.Move(path + ".new", path, overwrite: true);
    }
}
