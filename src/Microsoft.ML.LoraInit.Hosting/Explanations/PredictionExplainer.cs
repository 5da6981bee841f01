using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Hosting.Serving;

namespace Microsoft.ML.LoraInit.Hosting.Explanations;

/// <summary>Explains what a pipeline makes of a row: finds the texts that its model reads, and asks the model about them.</summary>
internal static class PredictionExplainer
{
    /// <exception cref="NotSupportedException">The pipeline has no model of this library, several of them, or a library of adapters.</exception>
    /// <exception cref="ArgumentException">An option is out of range, or the model has no gradients and options were given.</exception>
    public static PredictionExplanation Explain<TInput>(MLContext ml, ITransformer pipeline, TInput input, ExplanationOptions? options)
        where TInput : class
    {
        ITransformer[] steps = [.. Pipeline.Steps(pipeline)];
        if (steps.Any(s => s is AdapterLibraryTransformer))
            throw new NotSupportedException("Answers of a library of adapters are not explained; serve the adapter as a model of its own.");
        if (steps.OfType<ITextTransformer>().ToArray() is not [var model])
            throw new NotSupportedException("Answers are explained of a pipeline with one step that is a LoraTextTransformer or an OnnxTextTransformer; this one has none, or several.");

        IDataView view = ml.Data.LoadFromEnumerable([input]);
        foreach (var step in steps.TakeWhile(s => !ReferenceEquals(s, model)))
            view = step.Transform(view);
        var text = Text(view, model.TextColumnName);
        var text2 = model.Text2ColumnName is { } second ? Text(view, second) : null;
        if (model is LoraTextTransformer trained)
            return Gradients(trained.Explain(text, text2, options));
        return options is null
            ? LeftOutWords.Explain(ml, model, text, text2)
            : throw new ArgumentException($"The model is scored by {model.GetType().Name}, which has no gradients: its words are left out one by one, without options. Leave options null.", nameof(options));
    }

    private static PredictionExplanation Gradients(TextExplanation explanation) => new(
        explanation.Outputs,
        [.. explanation.ByWord().Where(w => w.Length > 0).Select(w => new WordAttribution(w.Text, w.Start, w.Length, w.IsSecondText, w.Attributions))],
        WordAttributionMethod.IntegratedGradients);

    private static string Text(IDataView view, string column) => view.GetColumn<ReadOnlyMemory<char>>(column).Single().ToString();
}
