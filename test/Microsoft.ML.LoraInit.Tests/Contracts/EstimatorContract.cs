using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Contracts;

/// <summary>
/// What ML.NET's own test framework holds its estimators to (dotnet/machinelearning, TestEstimatorCore): schemas that are promised are
/// delivered, a row mapper gives what the view gives, a loaded model is the saved one, and a wrong input is refused by the errors that
/// ML.NET's hosts know.
/// </summary>
internal static class EstimatorContract
{
    /// <param name="ml">The context.</param>
    /// <param name="estimator">The step, without what prepares its input.</param>
    /// <param name="input">Rows that it takes.</param>
    /// <param name="wrong">Rows that it cannot take.</param>
    public static void Hold<T>(MLContext ml, IEstimator<T> estimator, IDataView input, IReadOnlyList<IDataView> wrong)
        where T : class, ITransformer
    {
        var promised = estimator.GetOutputSchema(Topics.Shape(input));
        var model = estimator.Fit(input);
        using var owned = model as IDisposable;
        var scored = model.Transform(input);

        SchemaAssert.AreEquivalent(promised, Topics.Shape(scored));
        Same(scored.Schema, model.GetOutputSchema(input.Schema));
        Assert.IsTrue(model.IsRowToRowMapper);
        Same(scored.Schema, model.GetRowToRowMapper(input.Schema).OutputSchema);
        CollectionAssert.AreEqual(Rows(scored), MappedRows(model.GetRowToRowMapper(input.Schema), input), "the mapper and the view say the same");
        HoldSaved(ml, model, input, scored);
        foreach (var other in wrong)
        {
            Refused(() => estimator.GetOutputSchema(Topics.Shape(other)), "GetOutputSchema");
            Refused(() => estimator.Fit(other), "Fit");
        }
    }

    /// <summary>A transformer refuses rows without what it reads, in each way of asking it.</summary>
    public static void HoldRefusals(ITransformer model, IDataView wrong)
    {
        Refused(() => model.GetOutputSchema(wrong.Schema), "GetOutputSchema");
        Refused(() => model.Transform(wrong), "Transform");
        Refused(() => model.GetRowToRowMapper(wrong.Schema), "GetRowToRowMapper");
    }

    /// <summary>Saved and loaded it has the same schema, annotations' values included, and gives the same values.</summary>
    public static void HoldSaved(MLContext ml, ITransformer model, IDataView input, IDataView scored)
    {
        using var stream = new MemoryStream();
        ml.Model.Save(model, input.Schema, stream);
        stream.Position = 0;
        var loaded = new MLContext().Model.Load(stream, out var schema);
        using var owned = loaded as IDisposable;
        Same(input.Schema, schema, known: false);
        var again = loaded.Transform(input);
        Same(scored.Schema, again.Schema);
        CollectionAssert.AreEqual(Rows(scored), Rows(again), "a loaded model says what the saved one did");
    }

    /// <summary>The values of all columns, a row after another.</summary>
    public static string[] Rows(IDataView view)
    {
        using var cursor = view.GetRowCursor(view.Schema);
        var read = RowText.Reader(cursor, view.Schema);
        var rows = new List<string>();
        while (cursor.MoveNext())
            rows.Add(read());
        return [.. rows];
    }

    private static string[] MappedRows(IRowToRowMapper mapper, IDataView input)
    {
        using var cursor = input.GetRowCursor(input.Schema);
        var row = mapper.GetRow(cursor, mapper.OutputSchema);
        var read = RowText.Reader(row, mapper.OutputSchema);
        var rows = new List<string>();
        while (cursor.MoveNext())
            rows.Add(read());
        return [.. rows];
    }

    private static void Same(DataViewSchema expected, DataViewSchema actual, bool known = true)
    {
        Assert.HasCount(expected.Count, actual);
        foreach (var (column, other) in expected.Zip(actual))
        {
            Assert.AreEqual(column.Name, other.Name);
            Assert.AreEqual(column.Type, other.Type, column.Name);
            Assert.AreEqual(column.IsHidden, other.IsHidden, column.Name);
            if (known)
                Assert.AreEqual(RowText.Annotations(column), RowText.Annotations(other), column.Name);
        }
    }

    private static void Refused(Func<object> action, string what)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is ArgumentOutOfRangeException or InvalidOperationException)
        {
            StringAssert.Contains(e.Message, "'", $"{what} names the column");
            return;
        }
        Assert.Fail($"{what} took rows that the step cannot read.");
    }
}
