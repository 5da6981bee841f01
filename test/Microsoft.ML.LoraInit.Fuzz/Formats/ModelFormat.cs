using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Persistence;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fuzz.Formats;

/// <summary>A model's stream inside an <c>.mlnet</c> file.</summary>
internal sealed class ModelFormat(Material material) : FuzzFormat
{
    private const string Packed = "model.bin", Header = "header.json", Tensors = "tensors.safetensors";

    public override string Name => "model";

    public override IReadOnlyList<IReadOnlyDictionary<string, byte[]>> Seeds { get; } =
    [
        Parts(material, new MulticlassColumns("Score", "PredictedLabel", 3, ClassNames.Of(["a", "b", "c"])), dora: false),
        Parts(material, new BinaryColumns("Score", "Probability", "PredictedLabel"), dora: true),
        Parts(material, new MultiLabelColumns("Score", "Probability", "PredictedLabel", 2, ["a", "b"], 0.5), dora: false),
        Parts(material, new RegressionColumns("Score"), dora: false),
    ];

    public override IReadOnlyDictionary<string, byte[]> Pack(IReadOnlyDictionary<string, byte[]> parts)
    {
        var content = new MemoryStream();
        content.Write(new byte[Persistence.ModelFormat.PrefixLength]);
        var described = new JsonArray();
        foreach (var (name, bytes) in parts.Where(p => p.Key != Header))
        {
            content.Write(bytes);
            described.Add(new JsonObject { ["name"] = name == Tensors ? Persistence.ModelFormat.Tensors : name, ["length"] = bytes.Length, ["sha256"] = Convert.ToHexStringLower(SHA256.HashData(bytes)) });
        }
        // As text, since a spoilt header may be anything.
        var header = Encoding.UTF8.GetBytes(Encoding.Latin1.GetString(parts[Header]).Replace("\"parts\":[]", $"\"parts\":{described.ToJsonString()}", StringComparison.Ordinal));
        long offset = content.Position;
        content.Write(header);
        var result = content.ToArray();
        Persistence.ModelFormat.Magic.CopyTo(result);
        BinaryPrimitives.WriteInt32LittleEndian(result.AsSpan(8), Persistence.ModelFormat.Version);
        BinaryPrimitives.WriteInt64LittleEndian(result.AsSpan(12), offset);
        BinaryPrimitives.WriteInt32LittleEndian(result.AsSpan(20), header.Length);
        SHA256.HashData(header, result.AsSpan(24));
        return new Dictionary<string, byte[]> { [Packed] = result };
    }

    public override bool Read(string folder)
    {
        using var stream = new MemoryStream(File.ReadAllBytes(Path.Combine(folder, Packed)));
        using var model = ModelReader.Read(stream, CPU);
        return Material.Finite(model.Scorer.Score(Material.Texts).SelectMany(s => model.ModelSettings.Scores.Task.Scores(s).Concat(s)));
    }

    private static Dictionary<string, byte[]> Parts(Material material, ScoreColumns scores, bool dora)
    {
        using var model = material.Model(scores, dora);
        using var stream = new MemoryStream();
        ModelWriter.Write(stream, model, ModelSaveMode.SelfContained);
        var all = stream.ToArray();
        var header = JsonNode.Parse(all.AsSpan((int)BinaryPrimitives.ReadInt64LittleEndian(all.AsSpan(12))))!.AsObject();
        var parts = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        int from = Persistence.ModelFormat.PrefixLength;
        foreach (var part in header["parts"]!.AsArray())
        {
            var (name, length) = ((string)part!["name"]!, (int)part["length"]!);
            parts[name == Persistence.ModelFormat.Tensors ? Tensors : name] = all[from..(from + length)];
            from += length;
        }
        header["parts"] = new JsonArray();
        parts[Header] = Encoding.UTF8.GetBytes(header.ToJsonString());
        return parts;
    }
}
