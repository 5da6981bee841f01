using System.Diagnostics;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Data;

/// <summary>Reads and tokenises a whole view in one pass.</summary>
internal static class TextDatasetReader
{
    private static readonly TimeSpan ReportInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// The rows in the view's order. Texts are tokenised in parallel, a bounded window of rows at a time; a missing
    /// text is an empty one.
    /// </summary>
    /// <param name="data">The rows.</param>
    /// <param name="columns">Which columns to read. Without a label column the labels are empty.</param>
    /// <param name="kind">What the label column holds.</param>
    /// <param name="tokenizer">The base model's tokenizer.</param>
    /// <param name="maxLength">Tokens a row at most, special tokens included.</param>
    /// <param name="progress">Told the rows read, ten times a second at most and at the end.</param>
    /// <param name="training">Whether rows of one class only are refused (for a label that is a class).</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <param name="longText">What is read of texts that are longer; null for their beginning.</param>
    /// <exception cref="ArgumentException">A column is missing or of another type, or the maximum length is out of range.</exception>
    /// <exception cref="InvalidDataException">There are no rows, a label is missing or not finite, a weight is not a number of at least 0, or the training rows have one class only.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static TextDataset Read(
        IDataView data,
        TextColumns columns,
        LabelKind kind,
        SubwordTokenizer tokenizer,
        int maxLength,
        IProgress<TrainingProgress>? progress = null,
        CancellationToken cancellationToken = default,
        bool training = true,
        LongText? longText = null)
    {
        int values = columns.Check(data.Schema, kind);
        tokenizer.CheckMaxLength(maxLength, columns.Text2 is not null);
        longText ??= LongText.Truncate;
        longText.Check(maxLength - SubwordTokenizer.SpecialTokens(columns.Text2 is not null), columns.Text2 is not null);
        var parallel = new ParallelOptions { CancellationToken = cancellationToken, MaxDegreeOfParallelism = Environment.ProcessorCount };
        var texts = new List<EncodedText[]>();
        var labels = new List<float>();
        var weights = columns.Weight is null ? null : new List<float>();
        var window = new TextWindow();
        var total = data.GetRowCount() ?? 0;
        var sinceReport = Stopwatch.StartNew();

        using var cursor = data.GetRowCursor(data.Schema.Where(c => IsRead(data.Schema, columns, c)));
        var rows = new TextRow(cursor, columns, kind);
        for (bool more = true; more;)
        {
            window.Clear();
            while (!window.IsFull && (more = cursor.MoveNext()))
            {
                cancellationToken.ThrowIfCancellationRequested();
                long number = texts.Count + window.Count + 1;
                window.Add(rows.Text(), rows.Text2?.Invoke());
                if (rows.Label is not null)
                    rows.Label(number, labels);
                weights?.Add(rows.Weight!(number));
            }
            texts.AddRange(window.Encode(tokenizer, maxLength, longText, parallel));
            if (sinceReport.Elapsed >= ReportInterval || !more)
            {
                progress?.Report(new() { Phase = TrainingPhase.Tokenizing, Step = texts.Count, TotalSteps = Math.Max(total, texts.Count) });
                sinceReport.Restart();
            }
        }

        var dataset = new TextDataset([.. texts.SelectMany(t => t)], [.. labels], weights?.ToArray())
        {
            Windows = texts.Exists(t => t.Length != 1) ? [.. texts.Select(t => t.Length)] : null,
            LabelsPerRow = kind == LabelKind.Vector && columns.Label is not null ? values : 1,
        };
        CheckRows(dataset, data.Schema, columns, kind, training);
        return dataset;
    }

    private static bool IsRead(DataViewSchema schema, TextColumns columns, DataViewSchema.Column column) =>
        ((string?[])[columns.Text, columns.Text2, columns.Label, columns.Weight]).Any(name => name is not null && schema[name].Index == column.Index);

    private static void CheckRows(TextDataset dataset, DataViewSchema schema, TextColumns columns, LabelKind kind, bool training)
    {
        if (dataset.Count == 0)
            throw new InvalidDataException("The data has no rows. Check the file, and any filter before the trainer.");
        if (dataset.Weights is not null && dataset.Weights.All(w => w == 0))
            throw new InvalidDataException($"Every weight in the column '{columns.Weight}' is 0, so no row would count.");
        if (training && columns.Label is not null && kind == LabelKind.Vector && !AnyVaries(dataset))
            throw new InvalidDataException($"All {dataset.Count} training rows have the same labels in the column '{columns.Label}', so there is nothing to tell apart; is the data sorted and cut?");
        if (training && columns.Label is not null && kind is (LabelKind.Key or LabelKind.Boolean) && dataset.Labels.All(label => label == dataset.Labels[0]))
            throw new InvalidDataException($"All {dataset.Count} training rows have the same label, {ClassName(schema, columns.Label, kind, dataset.Labels[0])}, in the column '{columns.Label}'. Classification needs rows of at least two classes; is the data sorted and cut?");
    }

    private static bool AnyVaries(TextDataset data)
    {
        for (int i = data.LabelsPerRow; i < data.Labels.Length; i++)
            if (data.Labels[i] != data.Labels[i - data.LabelsPerRow])
                return true;
        return false;
    }

    private static string ClassName(DataViewSchema schema, string name, LabelKind kind, float label)
    {
        if (kind == LabelKind.Boolean)
            return label == 1 ? "true" : "false";
        var column = schema[name];
        if (column.Annotations.Schema.GetColumnOrNull("KeyValues") is not { Type: VectorDataViewType { ItemType: TextDataViewType } })
            return $"key {label + 1}";
        VBuffer<ReadOnlyMemory<char>> values = default;
        column.GetKeyValues(ref values);
        return $"'{values.GetItemOrDefault((int)label)}'";
    }
}
