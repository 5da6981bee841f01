using System.Globalization;
using System.Reflection;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Onnx.TokenIds;
using Microsoft.ML.LoraInit.Persistence;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Onnx;

/// <summary>Writes a trained model, adapters merged, as an ONNX file.</summary>
internal static class OnnxExport
{
    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="path">The file.</param>
    /// <param name="model">The model.</param>
    /// <param name="int8">Whether the encoder multiplies in 8 bits.</param>
    /// <exception cref="NotSupportedException">The file would be larger than the format allows.</exception>
    /// <exception cref="InvalidDataException">The base has changed.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(string path, FineTunedModel model, bool int8) => Write(model, int8, (_, write) => AtomicFile.Write(path, write));

    /// <summary>The file as bytes, and the base's tokenizer.</summary>
    /// <exception cref="NotSupportedException">The file would be larger than the format allows.</exception>
    /// <exception cref="InvalidDataException">The base has changed.</exception>
    public static (byte[] Model, TokenizerFiles Tokenizer) Create(FineTunedModel model, bool int8)
    {
        using var stream = new MemoryStream();
        TokenizerFiles? tokenizer = null;
        Write(model, int8, (files, write) =>
        {
            tokenizer = TokenizerFiles.Read(files, model.ModelSettings.Tokenizer);
            write(stream);
        });
        return (stream.ToArray(), tokenizer!);
    }

    private static void Write(FineTunedModel model, bool int8, Action<CheckpointFiles, Action<Stream>> write)
    {
        var calibration = model.ModelSettings.Scores.Calibration;
        int specialTokens = Tokenization.SubwordTokenizer.SpecialTokens(model.ModelSettings.Texts.Text2 is not null);
        var score = OnnxScore.Of(model.ModelSettings.Scores.Task) with
        {
            Temperature = calibration.Temperature,
            Bend = calibration.Bend,
            Empty = calibration.Empty is { } empty ? (empty, specialTokens) : null,
        };
        using var files = model.OpenBase();
        using var scope = NewDisposeScope();
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        var merged = model.State.MergedWeights(weights, CPU, ScalarType.Float32);
        try
        {
            var all = merged.Concat(model.State.Bottlenecks).ToDictionary(StringComparer.Ordinal);
            write(files, OnnxModelFile.Writer(RobertaGraph.Build(model.State.Config, all, score, int8), LibraryVersion, Metadata(model, int8)));
        }
        finally
        {
            foreach (var tensor in merged.Values)
                tensor.Dispose();
        }
    }

    private static string LibraryVersion =>
        typeof(OnnxExport).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    private static IEnumerable<KeyValuePair<string, string>> Metadata(FineTunedModel model, bool int8)
    {
        var (task, identity, config) = (model.ModelSettings.Scores.Task, model.State.Base, model.State.Config);
        yield return new("lorainit.version", LibraryVersion);
        // A folder's path is nobody else's business.
        yield return new("lorainit.base_model", StoredBase.Of(model.Checkpoint, identity) is { Kind: "directory" } ? Path.GetFileName(identity.Id) : identity.Id);
        yield return new("lorainit.base_model_sha256", identity.Sha256);
        yield return new("lorainit.task", task.Kind);
        if (((task as MulticlassTask)?.ClassNames ?? (task as MultiLabelTask)?.LabelNames) is { } names)
            yield return new("lorainit.classes", JsonSerializer.Serialize(names, Json));
        yield return new("lorainit.pairs", model.ModelSettings.Texts.Text2 is null ? "false" : "true");
        yield return new("lorainit.max_length", model.ModelSettings.MaxLength.ToString(CultureInfo.InvariantCulture));
        yield return new("lorainit.pad_token_id", config.PadTokenId.ToString(CultureInfo.InvariantCulture));
        if (model.ModelSettings.Scores.Calibration.Temperature is not 1 and var temperature)
            yield return new("lorainit.temperature", temperature.ToString("R", CultureInfo.InvariantCulture));
        if (model.ModelSettings.Scores.Calibration.Bend is { } bend)
            yield return new("lorainit.temperature_bend", string.Join(' ', new[] { bend.Near, bend.At, bend.Far }.Select(n => n.ToString("R", CultureInfo.InvariantCulture))));
        if (model.ModelSettings.LongText is var longText && longText != LongText.Truncate)
            yield return new("lorainit.long_text", longText.ToString());
        if (int8)
            yield return new("lorainit.int8", "true");
    }
}
