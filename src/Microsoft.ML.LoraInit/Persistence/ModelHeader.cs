using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Persistence;

/// <summary>The JSON header of a stored model.</summary>
internal sealed record ModelHeader
{
    /// <summary>The library's version that wrote the file, for messages.</summary>
    public required string Library { get; init; }

    public required ModelSaveMode Mode { get; init; }

    public required StoredBase Base { get; init; }

    public required RobertaConfig Config { get; init; }

    public required int Outputs { get; init; }

    public required JsonObject FineTuning { get; init; }

    public required JsonObject Scores { get; init; }

    public required string Text { get; init; }

    public string? Text2 { get; init; }

    public required int MaxLength { get; init; }

    public required Precision Precision { get; init; }

    /// <summary>How texts become ids; absent in files of the format 1.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TokenizerRule? Tokenizer { get; init; }

    /// <summary>What is read of long texts; absent where they are cut, as in files of the format 1.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? LongText { get; init; }

    public required JsonNode History { get; init; }

    public required IReadOnlyList<ModelPart> Parts { get; init; }

    /// <summary>What error messages call it.</summary>
    public static JsonSource Source { get; } = new("The model file's header", "Get or save the model again.");

    public static ModelHeader Of(FineTunedModel model, ModelSaveMode mode, IReadOnlyList<ModelPart> parts) => new()
    {
        Library = typeof(ModelHeader).Assembly.GetName().Version!.ToString(),
        Mode = mode,
        Base = StoredBase.Of(model.Checkpoint, model.State.Base),
        Config = model.State.Config,
        Outputs = model.State.Outputs,
        FineTuning = DescriptionJson.Of(model.State),
        Scores = model.ModelSettings.Scores.ToJson(),
        Text = model.ModelSettings.Texts.Text,
        Text2 = model.ModelSettings.Texts.Text2,
        MaxLength = model.ModelSettings.MaxLength,
        Precision = model.ModelSettings.Precision,
        Tokenizer = model.ModelSettings.Tokenizer,
        LongText = LongTextText.Write(model.ModelSettings.LongText),
        History = JsonNode.Parse(model.History.ToJson())!,
        Parts = parts,
    };

    public FineTunedModel.Settings Settings() =>
        new(ScoreColumns.FromJson(Scores), new TextColumns(Text, Text2), MaxLength, Precision, Mode, Tokenizer) { LongText = LongTextText.Read(LongText) };

    public byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, UntrustedJson.Own);

    /// <exception cref="InvalidDataException">The bytes are not a header.</exception>
    public static ModelHeader Parse(ReadOnlySpan<byte> json)
    {
        var header = UntrustedJson.Read<ModelHeader>(json, Source);
        return Enum.IsDefined(header.Mode) && Enum.IsDefined(header.Precision) ? header
            : throw Source.Bad(Enum.IsDefined(header.Mode) ? "precision" : "mode", "is none that this library knows");
    }
}
