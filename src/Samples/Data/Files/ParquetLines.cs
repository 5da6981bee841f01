using System.Globalization;
using Microsoft.ML.LoraInit.Glue;
using Parquet;
using Parquet.Schema;

namespace Microsoft.ML.LoraInit.Samples.Data.Files;

/// <summary>Reads the flat columns of a Parquet file, a group of rows at a time. A row counts as a line, the first of them as 1.</summary>
internal static class ParquetLines
{
    /// <exception cref="GlueDataException">The file is not Parquet, or has no column of texts or numbers.</exception>
    public static IEnumerable<TextFileLine> Read(Stream stream, string path)
    {
        var reader = Open(stream, path);
        try
        {
            DataField[] fields = [.. reader.Schema.DataFields.Where(f => f.MaxRepetitionLevel == 0 && !f.IsArray && IsKnown(f.ClrType))];
            if (fields.Length == 0)
                throw new GlueDataException(path, null, null, "there is no column of texts or numbers.");
            yield return new(1, Array.ConvertAll(fields, f => f.Name));
            long number = 0;
            for (int group = 0; group < reader.RowGroupCount; group++)
            {
                using var rows = reader.OpenRowGroupReader(group);
                var columns = Array.ConvertAll(fields, field => Column(rows, field));
                for (int row = 0; row < rows.RowCount; row++)
                    yield return new(++number, Array.ConvertAll(columns, column => column[row]));
            }
        }
        finally
        {
            reader.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private static ParquetReader Open(Stream stream, string path)
    {
        try
        {
            return Wait(ParquetReader.CreateAsync(stream, leaveStreamOpen: true));
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            throw new GlueDataException(path, null, null, $"this cannot be read as Parquet ({e.Message})", e);
        }
    }

    private static bool IsKnown(Type type) =>
        IsText(type) || type == typeof(bool) || type == typeof(int) || type == typeof(long) || type == typeof(float) || type == typeof(double);

    private static bool IsText(Type type) => type == typeof(string) || type == typeof(ReadOnlyMemory<char>);

    private static string?[] Column(ParquetRowGroupReader rows, DataField field)
    {
        if (IsText(field.ClrType))
        {
            var texts = new string?[rows.RowCount];
            rows.ReadAsync(field, texts.AsMemory()!).AsTask().GetAwaiter().GetResult();
            return texts;
        }
        if (field.ClrType == typeof(bool))
            return Values<bool>(rows, field);
        if (field.ClrType == typeof(int))
            return Values<int>(rows, field);
        if (field.ClrType == typeof(long))
            return Values<long>(rows, field);
        return field.ClrType == typeof(float) ? Values<float>(rows, field) : Values<double>(rows, field);
    }

    private static string?[] Values<T>(ParquetRowGroupReader rows, DataField field)
        where T : struct
    {
        var values = new T?[rows.RowCount];
        rows.ReadAsync(field, values.AsMemory()).AsTask().GetAwaiter().GetResult();
        return Array.ConvertAll(values, value => value is null ? null : Convert.ToString(value, CultureInfo.InvariantCulture));
    }

    private static T Wait<T>(Task<T> task) => task.GetAwaiter().GetResult();
}
