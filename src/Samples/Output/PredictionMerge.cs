using System.Text;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>Joins the parts of a file's predictions, a row of each in turn.</summary>
internal static class PredictionMerge
{
    /// <summary>Writes the file whole or not at all.</summary>
    /// <param name="parts">The parts' files, in order.</param>
    /// <param name="output">The file that they make.</param>
    /// <param name="hasHeader">Whether each begins with a header.</param>
    /// <param name="quoted">Whether a quoted cell may hold the end of a line.</param>
    /// <returns>The number of rows.</returns>
    /// <exception cref="UsageException">Headers differ, or a part has more or fewer rows than belong to it.</exception>
    public static long Merge(IReadOnlyList<string> parts, string output, bool hasHeader, bool quoted)
    {
        var readers = new List<IEnumerator<string>>();
        try
        {
            readers.AddRange(parts.Select(part => Rows(part, quoted).GetEnumerator()));
            long rows = 0;
            AtomicFile.Write(output, stream =>
            {
                using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
                if (hasHeader)
                    writer.WriteLine(Header(readers, parts));
                for (; readers[(int)(rows % parts.Count)].MoveNext(); rows++)
                    writer.WriteLine(readers[(int)(rows % parts.Count)].Current);
                // The first part without a row ends the file; those after it have none left either.
                for (int i = 0; i < parts.Count; i++)
                    if (i != rows % parts.Count && readers[i].MoveNext())
                        throw new UsageException($"{parts[i]} has more rows than {parts[(int)(rows % parts.Count)]} lets it have: were both made of one file?");
            });
            return rows;
        }
        finally
        {
            foreach (var reader in readers)
                reader.Dispose();
        }
    }

    private static string Header(List<IEnumerator<string>> readers, IReadOnlyList<string> parts)
    {
        var headers = readers.ConvertAll(reader => reader.MoveNext() ? reader.Current : null);
        for (int i = 0; i < headers.Count; i++)
            if (headers[i] is null || headers[i] != headers[0])
                throw new UsageException($"{parts[i]} begins with another header than {parts[0]}: were they written by one model?");
        return headers[0]!;
    }

    private static IEnumerable<string> Rows(string path, bool quoted)
    {
        using var reader = new StreamReader(path);
        while (reader.ReadLine() is { } line)
        {
            while (quoted && line.Count(c => c == '"') % 2 == 1 && reader.ReadLine() is { } more)
                line = $"{line}\n{more}";
            yield return line;
        }
    }
}
