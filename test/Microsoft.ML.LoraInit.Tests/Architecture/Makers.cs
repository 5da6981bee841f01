using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace Microsoft.ML.LoraInit.Tests.Architecture;

/// <summary>The methods of an assembly that make objects of one of its types, themselves or through what they call; read from its code, nothing runs.</summary>
internal sealed class Makers
{
    private const byte GenericInstance = 0x15; // ECMA-335, II.23.1.16

    private static readonly Dictionary<int, OperandType> Operands =
        typeof(OpCodes).GetFields().Select(f => (OpCode)f.GetValue(null)!).ToDictionary(c => (int)(ushort)c.Value, c => c.OperandType);

    private readonly MetadataReader _names;
    private readonly HashSet<int> _tokens;

    public Makers(string path, string typeNamespace, string typeName)
    {
        using var file = new PEReader(File.OpenRead(path));
        _names = file.GetMetadataReader();
        var callers = _names.MethodDefinitions.SelectMany(m => Called(file, m).SelectMany(Runs).Select(c => (Called: c, By: m))).ToLookup(p => p.Called, p => p.By);
        var type = _names.TypeDefinitions.Select(_names.GetTypeDefinition).Single(t => IsCalled(t.Name, typeName) && IsCalled(t.Namespace, typeNamespace));
        var found = type.GetMethods().Where(m => IsCalled(_names.GetMethodDefinition(m).Name, ".ctor")).ToHashSet();
        for (var queue = new Queue<MethodDefinitionHandle>(found); queue.TryDequeue(out var made);)
            foreach (var by in callers[made].Where(found.Add))
                queue.Enqueue(by);
        _tokens = [.. found.Select(m => MetadataTokens.GetToken(m))];
    }

    /// <param name="token">A method's metadata token.</param>
    public bool Contains(int token) => _tokens.Contains(token);

    /// <summary>Who makes a closure or an iterator runs its methods.</summary>
    private IEnumerable<MethodDefinitionHandle> Runs(MethodDefinitionHandle called)
    {
        var type = _names.GetTypeDefinition(_names.GetMethodDefinition(called).GetDeclaringType());
        return IsCalled(_names.GetMethodDefinition(called).Name, ".ctor") && _names.GetString(type.Name).Contains('<') ? type.GetMethods() : [called];
    }

    private HashSet<MethodDefinitionHandle> Called(PEReader file, MethodDefinitionHandle method)
    {
        var called = new HashSet<MethodDefinitionHandle>();
        var address = _names.GetMethodDefinition(method).RelativeVirtualAddress;
        var code = address == 0 ? [] : file.GetMethodBody(address).GetILBytes()!;
        for (var at = 0; at < code.Length;)
        {
            int value = code[at++];
            var operand = Operands[value == 0xFE ? 0xFE00 | code[at++] : value];
            if (operand is OperandType.InlineMethod && Definition(MetadataTokens.EntityHandle(BitConverter.ToInt32(code, at))) is { IsNil: false } one)
                called.Add(one);
            at += operand switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + 4 * BitConverter.ToInt32(code, at),
                _ => 4,
            };
        }
        return called;
    }

    /// <summary>The method of this assembly that a call names, or none.</summary>
    private MethodDefinitionHandle Definition(EntityHandle method) => method.Kind switch
    {
        HandleKind.MethodDefinition => (MethodDefinitionHandle)method,
        HandleKind.MethodSpecification => Definition(_names.GetMethodSpecification((MethodSpecificationHandle)method).Method),
        HandleKind.MemberReference => OfGenericType(_names.GetMemberReference((MemberReferenceHandle)method)),
        _ => default,
    };

    private MethodDefinitionHandle OfGenericType(MemberReference member)
    {
        if (member.GetKind() != MemberReferenceKind.Method || member.Parent.Kind != HandleKind.TypeSpecification)
            return default;
        var signature = _names.GetBlobReader(_names.GetTypeSpecification((TypeSpecificationHandle)member.Parent).Signature);
        if (signature.ReadByte() != GenericInstance)
            return default;
        signature.ReadByte(); // class or value type
        return signature.ReadTypeHandle() is { Kind: HandleKind.TypeDefinition } type
            ? _names.GetTypeDefinition((TypeDefinitionHandle)type).GetMethods().FirstOrDefault(m => Same(_names.GetMethodDefinition(m), member))
            : default;
    }

    private bool Same(MethodDefinition method, MemberReference member) =>
        _names.GetString(method.Name) == _names.GetString(member.Name) && _names.GetBlobBytes(method.Signature).AsSpan().SequenceEqual(_names.GetBlobBytes(member.Signature));

    private bool IsCalled(StringHandle name, string text) => _names.StringComparer.Equals(name, text);
}
