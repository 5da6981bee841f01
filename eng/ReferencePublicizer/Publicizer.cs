using System.Buffers.Binary;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace Microsoft.ML.LoraInit.ReferencePublicizer;

/// <summary>
/// Sets the visibility bits of listed types and members to public in a copy of an assembly: the metadata tables are of fixed
/// row sizes (ECMA-335 II.22), so nothing else in the file moves. The copy serves the compiler and is never run.
/// </summary>
internal static class Publicizer
{
    // Where a row keeps its flags: TypeDef and Field start with them, MethodDef has RVA (4) and ImplFlags (2) before.
    private const int TypeFlags = 0;
    private const int FieldFlags = 0;
    private const int MethodFlags = 6;

    /// <param name="image">The assembly.</param>
    /// <param name="members">The entries to make public.</param>
    /// <param name="source">Where the assembly is from, for messages.</param>
    /// <exception cref="InvalidOperationException">A listed member is not in the assembly.</exception>
    public static byte[] Publicize(byte[] image, IReadOnlySet<string> members, string source)
    {
        using var pe = new PEReader(new MemoryStream(image, writable: false));
        var reader = pe.GetMetadataReader();
        var result = (byte[])image.Clone();
        var missing = new HashSet<string>(members, StringComparer.Ordinal);

        foreach (var handle in reader.TypeDefinitions)
        {
            var type = reader.GetTypeDefinition(handle);
            var name = FullName(reader, type);
            if (missing.Remove($"T:{name}"))
                SetType(handle, type);
            foreach (var field in type.GetFields())
                if (members.Contains($"F:{name}.{reader.GetString(reader.GetFieldDefinition(field).Name)}"))
                    SetMember(TableIndex.Field, field, FieldFlags, (int)FieldAttributes.FieldAccessMask, (int)FieldAttributes.Public,
                        $"F:{name}.{reader.GetString(reader.GetFieldDefinition(field).Name)}");
            foreach (var method in type.GetMethods())
            {
                var key = $"M:{name}.{reader.GetString(reader.GetMethodDefinition(method).Name).Replace(".ctor", "#ctor", StringComparison.Ordinal)}";
                if (members.Contains(key))
                    SetMember(TableIndex.MethodDef, method, MethodFlags, (int)MethodAttributes.MemberAccessMask, (int)MethodAttributes.Public, key);
            }
        }

        return missing.Count == 0 ? result : throw new InvalidOperationException(
            $"'{source}' lacks {string.Join(", ", missing.Order(StringComparer.Ordinal))}; adapt src/Microsoft.ML.LoraInit/MLNet to this version of ML.NET.");

        void SetType(TypeDefinitionHandle handle, TypeDefinition type)
        {
            var visibility = type.IsNested ? TypeAttributes.NestedPublic : TypeAttributes.Public;
            SetBits(Offset(TableIndex.TypeDef, handle) + TypeFlags, (int)TypeAttributes.VisibilityMask, (int)visibility);
        }

        void SetMember(TableIndex table, EntityHandle handle, int flags, int mask, int value, string key)
        {
            SetBits(Offset(table, handle) + flags, mask, value);
            missing.Remove(key);
        }

        int Offset(TableIndex table, EntityHandle handle) => pe.PEHeaders.MetadataStartOffset
            + reader.GetTableMetadataOffset(table)
            + (reader.GetTableRowSize(table) * (MetadataTokens.GetRowNumber(handle) - 1));

        // Both masks lie in the low 16 bits of the flags.
        void SetBits(int offset, int mask, int value)
        {
            var span = result.AsSpan(offset, 2);
            var old = BinaryPrimitives.ReadUInt16LittleEndian(span);
            BinaryPrimitives.WriteUInt16LittleEndian(span, (ushort)((old & ~mask) | value));
        }
    }

    private static string FullName(MetadataReader reader, TypeDefinition type)
    {
        var name = reader.GetString(type.Name);
        if (type.IsNested)
            return $"{FullName(reader, reader.GetTypeDefinition(type.GetDeclaringType()))}+{name}";
        var space = reader.GetString(type.Namespace);
        return space.Length == 0 ? name : $"{space}.{name}";
    }
}
