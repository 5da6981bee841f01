using System.Reflection;
using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Hosting.Serving;

/// <summary>Questions to a model before it serves, so that one that cannot serve is refused before it does.</summary>
internal static class ModelTrial
{
    private const string Question = "A first question.";

    /// <summary>Asks each row by an engine, as requests do, and all of them as a batch, whose numbers have to be finite.</summary>
    /// <returns>The columns that the pipeline writes for such rows.</returns>
    /// <exception cref="InvalidDataException">The model's columns are others, it cannot answer, or an answer is not finite.</exception>
    public static DataViewSchema Ask<TInput, TPrediction>(MLContext ml, ITransformer model, EnginePool<TInput, TPrediction> engines, IList<TInput> inputs)
        where TInput : class
        where TPrediction : class, new()
    {
        var rows = inputs.Count > 0 ? inputs : [Default<TInput>()];
        try
        {
            var view = ml.Data.LoadFromEnumerable(rows);
            var answers = model.Transform(view);
            CheckFinite(answers, view.Schema.Count);
            foreach (var row in rows)
                engines.Predict(row);
            return answers.Schema;
        }
        catch (Exception e) when (e is not (InvalidDataException or OutOfMemoryException))
        {
            var hint = inputs.Count == 0 && Pipeline.Steps(model).Any(s => s is AdapterLibraryTransformer)
                ? $" It is a library of adapters: give {nameof(LoraTextOptions<>.TrialInputs)} that name an adapter."
                : "";
            throw new InvalidDataException($"It is not a model of this service, which asks rows of {typeof(TInput).Name} and reads {typeof(TPrediction).Name}: {e.GetBaseException().Message}{hint}", e);
        }
    }

    private static void CheckFinite(IDataView answers, int inputs)
    {
        var numbers = answers.Schema.Skip(inputs).Where(c => !c.IsHidden && Item(c.Type) == NumberDataViewType.Single).ToArray();
        using var cursor = answers.GetRowCursor(numbers);
        var read = numbers.Select(c => (c.Name, Values: Reader(cursor, c))).ToArray();
        while (cursor.MoveNext())
            foreach (var (name, values) in read)
                if (values().FirstOrDefault(v => !float.IsFinite(v), 0) is var bad && !float.IsFinite(bad))
                    throw new InvalidDataException($"Its answers are not finite: {name} = {bad} to the row {cursor.Position} of its trial.");
    }

    private static DataViewType Item(DataViewType type) => type is VectorDataViewType vector ? vector.ItemType : type;

    private static Func<IEnumerable<float>> Reader(DataViewRow row, DataViewSchema.Column column)
    {
        if (column.Type is VectorDataViewType)
        {
            var getVector = row.GetGetter<VBuffer<float>>(column);
            return () =>
            {
                VBuffer<float> values = default;
                getVector(ref values);
                return values.DenseValues();
            };
        }
        var get = row.GetGetter<float>(column);
        return () =>
        {
            float value = 0;
            get(ref value);
            return [value];
        };
    }

    private static TInput Default<TInput>()
        where TInput : class
    {
        if (typeof(TInput).GetConstructor(Type.EmptyTypes) is null)
            throw new InvalidDataException($"{typeof(TInput).Name} has no constructor without parameters: give {nameof(LoraTextOptions<>.TrialInputs)}.");
        var row = Activator.CreateInstance<TInput>();
        foreach (var property in typeof(TInput).GetProperties(BindingFlags.Public | BindingFlags.Instance))
            if (property.PropertyType == typeof(string) && property.CanRead && property.CanWrite && property.GetIndexParameters().Length == 0 && string.IsNullOrEmpty((string?)property.GetValue(row)))
                property.SetValue(row, Question);
        foreach (var field in typeof(TInput).GetFields(BindingFlags.Public | BindingFlags.Instance))
            if (field.FieldType == typeof(string) && !field.IsInitOnly && string.IsNullOrEmpty((string?)field.GetValue(row)))
                field.SetValue(row, Question);
        return row;
    }
}
