using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fuzz;

/// <summary>A base of some kilobytes and what can be made over it: the right files that mutants come from.</summary>
internal sealed class Material : IDisposable
{
    private readonly string _root;

    private Material(string root)
    {
        _root = root;
        Work = Path.Combine(root, "work");
        BaseFolder = Path.Combine(Work, "material");
        Directory.CreateDirectory(BaseFolder);
        foreach (var (name, content) in BaseFiles)
            File.WriteAllBytes(Path.Combine(BaseFolder, name), content);
        Base = RobertaCheckpoint.FromDirectory(BaseFolder);
    }

    /// <summary>Where mutants are written; in the temporary folder of this process alone.</summary>
    public string Work { get; }

    public string BaseFolder { get; }

    public RobertaCheckpoint Base { get; }

    public static IReadOnlyList<TextPair> Texts { get; } = [new("the cat", null), new("", null), new("\u00e9\ud83d\ude00 a longer text than the model takes, again and again", null)];

    /// <summary>The base's files by name.</summary>
    public IReadOnlyDictionary<string, byte[]> BaseFiles { get; } = Files();

    public static Material Create()
    {
        var root = Directory.CreateTempSubdirectory("lorainit-fuzz-").FullName;
        Environment.SetEnvironmentVariable("TMPDIR", root);
        Environment.SetEnvironmentVariable("TMP", root);
        return new(root);
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    /// <summary>Two adapters and a head over the base; the tensors belong to the caller's scope.</summary>
    public static PeftWeights Adapters(RobertaConfig config, int outputs, bool dora)
    {
        var targets = AdapterPlanner.Plan(new AdapterSettings { Rank = 2, Alpha = 4 }, config);
        using var generator = new Generator(7, CPU);
        Tensor Draw(params long[] shape) => empty(shape).normal_(0.0, 0.3, generator);
        return new(
            [.. targets.Select(t => new PlainAdapter(t, Draw(t.Rank, t.InFeatures), Draw(t.OutFeatures, t.Rank), dora ? Draw(t.OutFeatures).abs() : null) { TrainedRank = t.Rank })],
            ClassificationHead.Layout(config, outputs).ToDictionary(l => l.Name, l => Draw(l.Shape), StringComparer.Ordinal), 0.1);
    }

    /// <summary>A model over the base.</summary>
    public FineTunedModel Model(ScoreColumns scores, bool dora)
    {
        using var scope = NewDisposeScope();
        using var files = Base.Open(null, CancellationToken.None);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        var state = Adapters(files.Config, scores.Task.OutputCount, dora).ToState(files.Identity, files.Config);
        var settings = new FineTunedModel.Settings(scores, new TextColumns("Text", null), files.Config.MaxLength, Precision.Float32, ModelSaveMode.SelfContained);
        var history = new TrainingHistory { MetricName = scores.Task.MetricName, Epochs = [new() { Epoch = 1, TrainLoss = double.NaN, Metrics = new() { Accuracy = 0.5 } }] };
        return FineTunedModel.Create(settings, state, history, Base, files.OpenTokenizer(null), weights, CPU);
    }

    public static bool Finite(IEnumerable<float> values) => values.All(float.IsFinite);

    private static Dictionary<string, byte[]> Files()
    {
        var vocabulary = new JsonObject();
        foreach (var special in new[] { "<s>", "<pad>", "</s>", "<unk>", "<mask>" })
            vocabulary[special] = vocabulary.Count;
        foreach (var c in ByteAlphabet.Characters)
            vocabulary[c.ToString()] = vocabulary.Count;
        foreach (var merged in new[] { "th", "the", "\u0120a" })
            vocabulary[merged] = vocabulary.Count;
        var config = $$"""{"model_type":"roberta","hidden_act":"gelu","vocab_size":{{vocabulary.Count}},"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":12,"max_position_embeddings":18,"type_vocab_size":1,"layer_norm_eps":1e-05,"hidden_dropout_prob":0.1,"attention_probs_dropout_prob":0.1,"pad_token_id":1,"bos_token_id":0,"eos_token_id":2}""";
        using var scope = NewDisposeScope();
        using var generator = new Generator(3, CPU);
        using var weights = new MemoryStream();
        SafetensorsWriter.Write(weights, EncoderTensors.Expected(RobertaConfigReader.Parse(config, "config.json"))
            .Select(e => KeyValuePair.Create(e.Name, empty(e.Shape).normal_(0.0, 0.2, generator))));
        return new(StringComparer.Ordinal)
        {
            [CheckpointNames.Config] = Encoding.UTF8.GetBytes(config),
            [CheckpointNames.Vocabulary] = Encoding.UTF8.GetBytes(vocabulary.ToJsonString()),
            [CheckpointNames.Merges] = Encoding.UTF8.GetBytes("#version: 0.2\nt h\nth e\n\u0120 a\n"),
            [CheckpointNames.Weights] = weights.ToArray(),
        };
    }
}
