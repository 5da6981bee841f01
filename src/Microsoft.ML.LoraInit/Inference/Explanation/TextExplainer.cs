using System.Globalization;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference.Explanation;

/// <summary>Explains what the scorer's weights make of a text. Any number of threads may explain at once.</summary>
internal sealed class TextExplainer(SubwordTokenizer tokenizer, TextScorer scorer, int maxLength, int padId)
{
    private const string MaskToken = "<mask>";

    /// <exception cref="ArgumentException">An option is out of range, or the vocabulary lacks the mask token.</exception>
    /// <exception cref="ObjectDisposedException">The scorer was disposed of.</exception>
    public TextExplanation Explain(TextPair texts, TextTask task, ExplanationOptions options)
    {
        Check(options);
        var encoded = tokenizer.Encode(texts.First, texts.Second, maxLength);
        var places = tokenizer.Locate(texts.First, texts.Second, encoded);
        int? baseline = options.Baseline switch
        {
            AttributionBaseline.Zero => null,
            AttributionBaseline.Padding => padId,
            _ => tokenizer.Rule.IdOf(TokenizerRule.Mask) ?? tokenizer.IdOf(MaskToken)
                ?? throw new ArgumentException($"The base model's vocabulary has no '{MaskToken}': choose AttributionBaseline.Padding or Zero."),
        };
        var result = scorer.With(model => Compute(model, encoded, [.. places.Select(p => p is not null)], baseline, options));
        return new(Names(task), Tokens(texts, places, result.PerColumn), result.Scores, result.BaselineScores);
    }

    /// <summary>How much each layer of a fused model takes of each source.</summary>
    /// <param name="texts">The text.</param>
    /// <param name="sources">The sources' names, in the model's order.</param>
    /// <exception cref="ObjectDisposedException">The scorer was disposed of.</exception>
    public IReadOnlyList<FusionShare> Shares(TextPair texts, IReadOnlyList<string> sources)
    {
        var encoded = tokenizer.Encode(texts.First, texts.Second, maxLength);
        return scorer.With(model =>
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            var ids = tensor(Array.ConvertAll(encoded.Ids, id => (long)id), [1, encoded.Length], device: model.Device);
            var shares = new List<FusionShare>();
            model.Encode(model.Words(ids).Add(model.Positions(encoded.Length)), null, (layer, taken) =>
                shares.AddRange(taken.to(ScalarType.Float32).mean([0L, 1L, 3L]).cpu().data<float>().Zip(sources, (share, source) => new FusionShare(layer, source, share))));
            return shares;
        });
    }

    private static void Check(ExplanationOptions options)
    {
        if (!Enum.IsDefined(options.Method))
            throw new ArgumentException($"Method = {options.Method} is out of range: choose IntegratedGradients or GradientTimesInput.");
        if (!Enum.IsDefined(options.Baseline))
            throw new ArgumentException($"Baseline = {options.Baseline} is out of range: choose Mask, Padding or Zero.");
        if (options.Steps < 1)
            throw new ArgumentException($"Steps = {options.Steps} is out of range: use at least 1.");
    }

    private static Attributions Compute(MergedModel model, EncodedText encoded, bool[] replaced, int? baseline, ExplanationOptions options)
    {
        using var scope = NewDisposeScope();
        var ids = tensor(Array.ConvertAll(encoded.Ids, id => (long)id), [1, encoded.Length], device: model.Device);
        var points = options.Method == AttributionMethod.IntegratedGradients ? GaussLegendre.Points(options.Steps) : [(1.0, 1.0)];
        return PathAttribution.Compute(model, new EncodedBatch(ids, null), replaced, baseline, points);
    }

    private static TokenAttribution[] Tokens(TextPair texts, IReadOnlyList<(TokenSpan Span, bool IsSecond)?> places, double[][] attributions) =>
    [
        .. from i in Enumerable.Range(0, places.Count)
           where places[i] is not null
           let place = places[i]!.Value
           select new TokenAttribution
           {
               Text = (place.IsSecond ? texts.Second! : texts.First).Substring(place.Span.Start, place.Span.Length),
               Start = place.Span.Start,
               Length = place.Span.Length,
               Word = place.Span.Word,
               IsSecondText = place.IsSecond,
               Attributions = attributions[i],
           },
    ];

    private static IReadOnlyList<string> Names(TextTask task) => task switch
    {
        MulticlassTask { ClassNames: { } names } => names,
        MultiLabelTask { LabelNames: { } names } => names,
        BinaryTask => ["true"],
        RegressionTask => ["Score"],
        _ => [.. Enumerable.Range(0, task.OutputCount).Select(o => o.ToString(CultureInfo.InvariantCulture))],
    };
}
