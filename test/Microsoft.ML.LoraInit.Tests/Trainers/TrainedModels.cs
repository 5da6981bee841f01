using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Tests.Trainers;

/// <summary>Models that several tests read, trained once.</summary>
internal static class TrainedModels
{
    private static readonly Lazy<ITransformer> LazyMulticlass = new(() =>
    {
        var ml = Topics.Context();
        return Topics.Pipeline(ml, Topics.Options(o => o.MaxEpochs = 3)).Fit(Topics.View(ml));
    });

    private static readonly Lazy<ITransformer> LazyBinary = new(() =>
    {
        var ml = Topics.Context();
        return ml.BinaryClassification.Trainers.LoraTextClassification(Topics.Binary(o => o.MaxEpochs = 3)).Fit(Topics.View(ml));
    });

    private static readonly Lazy<ITransformer> LazyRegression = new(() =>
    {
        var ml = Topics.Context();
        return ml.Regression.Trainers.LoraTextRegression(Topics.Regression(o => (o.MaxEpochs, o.Text2ColumnName) = (4, "Text2"))).Fit(Topics.View(ml));
    });

    private static readonly Lazy<ITransformer> LazyMultiLabelPairs = new(() =>
    {
        var ml = Topics.Context();
        var rows = Topics.Rows.Take(16).Select(r => new Labelled { Text = r.Text, Text2 = r.Text2, Sport = r.IsSport, Warm = r.Value > 1 });
        return ml.Transforms.Concatenate("Label", nameof(Labelled.Sport), nameof(Labelled.Warm))
            .Append(ml.MulticlassClassification.Trainers.LoraMultiLabelTextClassification(new LoraMultiLabelTextClassificationTrainer.Options
            {
                Text2ColumnName = "Text2",
                MaxEpochs = 1,
                BatchSize = 8,
                InitialLearningRate = 5e-3,
            }))
            .Fit(ml.Data.LoadFromEnumerable(rows)).LastTransformer;
    });

    /// <summary>MapValueToKey → LoRA → MapKeyToValue.</summary>
    public static ITransformer Multiclass => LazyMulticlass.Value;

    public static ITransformer Binary => LazyBinary.Value;

    /// <summary>Over pairs.</summary>
    public static ITransformer Regression => LazyRegression.Value;

    /// <summary>Two labels, Sport and Warm, over pairs; the LoRA step alone.</summary>
    public static ITransformer MultiLabelPairs => LazyMultiLabelPairs.Value;

    /// <summary>The LoRA step of a chain.</summary>
    public static LoraTextTransformer Step(ITransformer model) =>
        model as LoraTextTransformer ?? ((IEnumerable<ITransformer>)model).OfType<LoraTextTransformer>().Single();

    /// <summary>The bits of every score, in the rows' order.</summary>
    public static string[] ScoreBits(IDataView scored) => scored.Schema["Score"].Type is VectorDataViewType
        ? [.. scored.GetColumn<float[]>("Score").Select(s => string.Join(' ', s.Select(Bits)))]
        : [.. scored.GetColumn<float>("Score").Select(Bits)];

    private static string Bits(float value) => BitConverter.SingleToUInt32Bits(value).ToString("x8");

    private sealed class Labelled
    {
        public string Text { get; set; } = "";

        public string Text2 { get; set; } = "";

        public bool Sport { get; set; }

        public bool Warm { get; set; }
    }
}
