using System.Text.Json;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Onnx.TokenIds;

namespace Microsoft.ML.LoraInit.Fuzz.Formats;

/// <summary>A saved tokenising step.</summary>
internal sealed class TokenIdFormat(Material material) : FuzzFormat
{
    private const string Step = "step.json";

    private readonly MLContext _ml = new();

    public override string Name => "token-ids";

    public override IReadOnlyList<IReadOnlyDictionary<string, byte[]>> Seeds { get; } =
    [
        new Dictionary<string, byte[]>
        {
            [Step] = JsonSerializer.SerializeToUtf8Bytes(new RobertaTokenIdTransformer.Stored(1, new TokenIdColumns("Text", null, "Ids", "Mask", 12), 12, new TokenizerFiles(
                Text(material, CheckpointNames.Config), Text(material, CheckpointNames.Vocabulary), Text(material, CheckpointNames.Merges)))),
        },
    ];

    public override bool Read(string folder)
    {
        using var stream = File.OpenRead(Path.Combine(folder, Step));
        var step = RobertaTokenIdTransformer.Load(stream);
        var rows = _ml.Data.LoadFromEnumerable([new Row()]);
        try
        {
            // Columns may have been renamed: then the rows do not fit, which is no fault of the file.
            return step.Transform(rows).Schema.Count >= rows.Schema.Count;
        }
        catch (ArgumentException)
        {
            return true;
        }
    }

    private static string Text(Material material, string name) => System.Text.Encoding.UTF8.GetString(material.BaseFiles[name]);

    internal sealed class Row
    {
        [ColumnName("Text")]
        public string Text { get; set; } = "the cat";
    }
}
