using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Pipelines;

/// <summary>A model to score, save and load: trained for one step, since the weights' values change no time.</summary>
internal static class TrainedPipeline
{
    private const int TrainingRows = 8;
    private const int Seed = 5;

    /// <param name="ml">The context.</param>
    /// <param name="opened">The base.</param>
    /// <param name="rows">Rows of which the first few are trained on.</param>
    /// <param name="maxLength">Tokens a row at most; null for the model's maximum.</param>
    /// <param name="precision">Of the base.</param>
    /// <param name="device">Where to train and score.</param>
    public static LoraBinaryTextClassificationTransformer Train(MLContext ml, OpenedBase opened, IEnumerable<TextPairRow> rows, int? maxLength, Precision precision, Device device)
    {
        var few = rows.Take(TrainingRows).Select((r, i) => new TextPairRow { Text = r.Text, Text2 = r.Text2, Label = i % 2 == 0 });
        var options = new LoraBinaryTextClassificationTrainer.Options
        {
            Text2ColumnName = rows.Any(r => r.Text2.Length > 0) ? nameof(TextPairRow.Text2) : null,
            BaseModel = opened.Checkpoint,
            MaxLength = maxLength,
            MaxEpochs = 1,
            Precision = precision,
            Device = device,
        };
        return ml.BinaryClassification.Trainers.LoraTextClassification(options).Fit(ml.Data.LoadFromEnumerable(few));
    }

    /// <summary>Texts of random words that have at least so many tokens: cut at the maximum length, every row has just that.</summary>
    public static TextPairRow[] RandomRows(OpenedBase opened, int rows, int length)
    {
        using var files = opened.Checkpoint.Open(null, CancellationToken.None);
        var tokenizer = files.OpenTokenizer();
        var words = Enumerable.Range(4, files.Config.VocabularySize - 8)
            .Select(id => tokenizer.Decode([id]))
            .Where(w => w.Length > 3 && w[0] == ' ' && w.Skip(1).All(char.IsAsciiLetterLower))
            .ToArray();
        var random = new SeededRandom(Seed);
        return [.. Enumerable.Range(0, rows).Select(_ => new TextPairRow { Text = string.Concat(Enumerable.Range(0, length).Select(_ => words[random.Next(words.Length)])) })];
    }
}
