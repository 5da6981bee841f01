using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference.Outputs;

namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>
/// Gives the label of validation data the keys of the training label. The data may come as read from a file, with the class
/// as text, or with keys of its own; a key that stands for another class there must not be taken for the same here.
/// </summary>
internal static class ValidationLabels
{
    /// <exception cref="ArgumentException">The labels cannot be compared.</exception>
    public static IDataView Align(IDataView validation, string label, DataViewSchema.Column training)
    {
        if (validation.Schema.GetColumnOrNull(label) is not { } column || ClassNames.Of(training) is not { } names)
            return validation; // a missing column is told by the check that follows; keys without values count as numbers
        var ml = new MLContext();
        if (column.Type is KeyDataViewType)
        {
            if (ClassNames.Of(column)?.Texts.SequenceEqual(names.Texts) == true)
                return validation;
            if (ClassNames.Of(column) is null)
                throw new ArgumentException($"The label column '{label}' of ValidationData is a key without values, that of the training data has values: map both with the same MapValueToKey transformer.");
            validation = ml.Transforms.Conversion.MapKeyToValue(label).Fit(validation).Transform(validation);
            column = validation.Schema[label];
        }
        if (column.Type is not TextDataViewType || names.Type.ItemType is not TextDataViewType)
            throw new ArgumentException($"The label column '{label}' of ValidationData has the type {column.Type}, the training labels are a key of {names.Type.ItemType}: map both with the same MapValueToKey transformer.");
        var keys = ml.Data.LoadFromEnumerable(names.Texts.Select(t => new KeyRow { Value = t }));
        return ml.Transforms.Conversion.MapValueToKey(label, label, keyData: keys).Fit(validation).Transform(validation);
    }

    /// <summary>Reads the validation rows; what is wrong with one is said to be wrong there, not in the training rows.</summary>
    /// <exception cref="InvalidDataException">There are no rows, or something is wrong with one.</exception>
    public static TextDataset Named(Func<TextDataset> read)
    {
        try
        {
            return read();
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"ValidationData, where a class that the training data does not have counts as a missing label: {e.Message}", e);
        }
    }

    /// <exception cref="ArgumentException">The labels are others, or in another order, than those of the training data.</exception>
    public static void CheckVector(DataViewSchema.Column validation, int size, DataViewSchema.Column training)
    {
        if (((VectorDataViewType)training.Type).Size is var expected && size != expected)
            throw new ArgumentException($"The label column '{training.Name}' has {size} labels, that of the training data has {expected}.");
        if (LabelVector.Names(training) is { } names && LabelVector.Names(validation) is { } others && !names.SequenceEqual(others))
            throw new ArgumentException($"The slots of the label column '{training.Name}' are {string.Join(", ", others)}, those of the training data {string.Join(", ", names)}: put them in the same order.");
    }

    private sealed class KeyRow
    {
        public string Value { get; set; } = "";
    }
}
