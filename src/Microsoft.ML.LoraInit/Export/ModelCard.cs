using System.Globalization;
using System.Text;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Inference;

namespace Microsoft.ML.LoraInit.Export;

/// <summary>The <c>README.md</c> of an exported folder: what it is, what it was made from, how well it did, and how to load it.</summary>
internal static class ModelCard
{
    public const string FileName = "README.md";

    /// <param name="model">What is written.</param>
    /// <param name="isAdapter">An adapter for PEFT; otherwise a whole model for transformers.</param>
    public static string Write(FineTunedModel model, bool isAdapter)
    {
        var (id, sha256) = (model.State.Base.Id, model.State.Base.Sha256);
        bool onHub = id.Contains('/', StringComparison.Ordinal);
        var text = new StringBuilder();
        text.Append("---\n");
        text.Append($"library_name: {(isAdapter ? "peft" : "transformers")}\n");
        text.Append("pipeline_tag: text-classification\n");
        if (onHub)
            text.Append($"base_model: {id.Split('@')[0]}\n");
        text.Append($"tags:\n- {model.State.Method.Name}\n- ml.net\n---\n\n");
        text.Append($"# {(isAdapter ? "LoRA adapter" : "Text model")} over {id}\n\n");
        text.Append("Fine-tuned in ML.NET with Microsoft.ML.LoraInit.\n\n| | |\n|---|---|\n");
        foreach (var (name, value) in Facts(model, sha256))
            text.Append($"| {name} | {value.Replace("|", "\\|", StringComparison.Ordinal).ReplaceLineEndings(" ")} |\n");
        text.Append('\n').Append(isAdapter ? AdapterUse(id, onHub, model.State.Outputs) : MergedUse).Append('\n');
        return text.ToString();
    }

    private static IEnumerable<(string Name, string Value)> Facts(FineTunedModel model, string sha256)
    {
        yield return ("base model", $"`{model.State.Base.Id}`, SHA-256 of the weights `{sha256}`");
        yield return ("reads", model.ModelSettings.Texts.Text2 is null ? "a text" : "a pair of texts");
        yield return ("says", Task(model.ModelSettings.Scores.Task));
        yield return ("longest input", $"{model.ModelSettings.MaxLength} tokens");
        yield return ("method", model.State.Method.Name);
        if (model.State.Description.Initialization is { } start)
            yield return ("start of the adapters", $"`{start.ToJson().ToJsonString()}`");
        var history = model.History;
        yield return ("epochs", $"{history.Epochs.Count}, of which {history.BestEpoch} is kept");
        yield return ("parameters trained", string.Create(CultureInfo.InvariantCulture, $"{history.TrainableParameters:N0} of {history.TotalParameters:N0}"));
        if (history.Epochs.FirstOrDefault(e => e.Epoch == history.BestEpoch)?.Metrics is { } metrics)
            yield return ("on validation rows", string.Join(", ", Metrics(metrics)));
        if (model.ModelSettings.Scores.Calibration is { Bend: { } bend } calibration)
            yield return ("probabilities", string.Create(CultureInfo.InvariantCulture,
                $"less exact than the original's, whose logits are divided by {bend.Near:0.000} up to {bend.At:0.000} apart and by {bend.Far:0.000} beyond: a head has room for one temperature, {calibration.Temperature:0.000}"));
    }

    private static string Task(TextTask task) => task switch
    {
        MulticlassTask { ClassNames: { } names } => $"one of {names.Count} classes: {string.Join(", ", names)}",
        MultiLabelTask { LabelNames: { } names } => $"any of {names.Count} labels: {string.Join(", ", names)}",
        BinaryTask => "yes or no: one logit, whose sigmoid is the probability of yes",
        RegressionTask => "a number",
        _ => $"{task.OutputCount} numbers",
    };

    private static IEnumerable<string> Metrics(EpochMetrics metrics)
    {
        (string Name, double? Value)[] all =
        [
            ("accuracy", metrics.Accuracy), ("F1", metrics.F1), ("Matthews correlation", metrics.Matthews), ("log loss", metrics.LogLoss),
            ("Pearson correlation", metrics.Pearson), ("Spearman correlation", metrics.Spearman), ("mean squared error", metrics.Mse),
        ];
        return all.Where(m => m.Value is { } value && double.IsFinite(value)).Select(m => string.Create(CultureInfo.InvariantCulture, $"{m.Name} {m.Value:0.0000}"));
    }

    private static string AdapterUse(string id, bool onHub, int outputs)
    {
        var place = onHub ? id.Split('@')[0] : "BASE";
        var note = id == "mini" ? "`BASE` is the folder that `lorainit adapter base --out BASE` writes: the small model that comes with the library.\n\n"
            : onHub ? "" : $"`BASE` is the folder of the base model, `{id}`.\n\n";
        return $"""
            {note}```python
            from transformers import AutoModelForSequenceClassification, AutoTokenizer
            from peft import PeftModel

            base = AutoModelForSequenceClassification.from_pretrained("{place}", num_labels={outputs})
            model = PeftModel.from_pretrained(base, ".")
            tokenizer = AutoTokenizer.from_pretrained(".")
            ```
            """.ReplaceLineEndings("\n");
    }

    private static string MergedUse => """
        ```python
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        model = AutoModelForSequenceClassification.from_pretrained(".")
        tokenizer = AutoTokenizer.from_pretrained(".")
        ```
        """.ReplaceLineEndings("\n");
}
