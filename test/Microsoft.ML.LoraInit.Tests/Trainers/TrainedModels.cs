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

    /// <summary>MapValueToKey → LoRA → MapKeyToValue.</summary>
    public static ITransformer Multiclass => LazyMulticlass.Value;

    public static ITransformer Binary => LazyBinary.Value;

    /// <summary>Over pairs.</summary>
    public static ITransformer Regression => LazyRegression.Value;

    /// <summary>The LoRA step of a chain.</summary>
    public static LoraTextTransformer Step(ITransformer model) =>
        model as LoraTextTransformer ?? ((IEnumerable<ITransformer>)model).OfType<LoraTextTransformer>().Single();

    /// <summary>The bits of every score, in the rows' order.</summary>
    public static string[] ScoreBits(IDataView scored) => scored.Schema["Score"].Type is VectorDataViewType
        ? [.. scored.GetColumn<float[]>("Score").Select(s => string.Join(' ', s.Select(Bits)))]
        : [.. scored.GetColumn<float>("Score").Select(Bits)];

    private static string Bits(float value) => BitConverter.SingleToUInt32Bits(value).ToString("x8");
}
