using System.Globalization;
using Microsoft.ML.LoraInit.Glue;
using Parquet;
using Parquet.Schema;

namespace Microsoft.ML.LoraInit.Samples.Data.Files;

/// <summary>Reads the flat columns of a Parquet file, a group of rows at a time. A row counts as a line, the first of them as 1.</summary>
internal static class ParquetLines
{
    // What a label can be stored as; times and bytes are none.
    private static readonly Dictionary<Type, Func<ParquetRowGroupReader, DataField, string?[]>> Readers = new()
    {
        [typeof(string)] = Texts,
        [typeof(ReadOnlyMemory<char>)] = Texts,
        [typeof(bool)] = Values<bool>,
        [typeof(sbyte)] = Values<sbyte>,
        [typeof(byte)] = Values<byte>,
        [typeof(short)] = Values<short>,
        [typeof(ushort)] = Values<ushort>,
        [typeof(int)] = Values<int>,
        [typeof(uint)] = Values<uint>,
        [typeof(long)] = Values<long>,
        [typeof(ulong)] = Values<ulong>,
        [typeof(float)] = Values<float>,
        [typeof(double)] = Values<double>,
        [typeof(decimal)] = Values<decimal>,
    };

    /// <exception cref="GlueDataException">The file is not Parquet, or has no column of texts or numbers.</exception>
    public static IEnumerable<TextFileLine> Read(Stream stream, string path)
    {
        var reader = Open(stream, path);
        try
        {
            DataField[] fields = [.. reader.Schema.DataFields.Where(f => f.MaxRepetitionLevel == 0 && !f.IsArray && Readers.ContainsKey(f.ClrType))];
            if (fields.Length == 0)
                throw new GlueDataException(path, null, null, "there is no column of texts or numbers.");
            yield return new(1, Array.ConvertAll(fields, f => f.Name));
            long number = 0;
            for (int group = 0; group < reader.RowGroupCount; group++)
            {
                using var rows = reader.OpenRowGroupReader(group);
                var columns = Array.ConvertAll(fields, field => Readers[field.ClrType](rows, field));
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

    private static string?[] Texts(ParquetRowGroupReader rows, DataField field)
    {
        var texts = new string?[rows.RowCount];
        rows.ReadAsync(field, texts.AsMemory()!).AsTask().GetAwaiter().GetResult();
        return texts;
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
